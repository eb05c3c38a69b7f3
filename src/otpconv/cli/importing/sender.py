"""Sending batches to the native API, repeated while the server can't take them."""

import time

import httpx
import msgspec

from otpconv.cli.client import Client
from otpconv.cli.terminal import note
from otpconv.dialects.native.answers import Recorded
from otpconv.dialects.native.reports import NDJSON
from otpconv.errors import Refused, Unavailable

#: Pauses between tries, s: a server that restarts is back long before the last.
_PAUSES_S = (0.5, 1, 2, 4, 8, 15, 30, 30)
#: Longest pause that the server can ask for, s.
_LONGEST_PAUSE_S = 300.0
#: Characters of the server's reason that are shown.
_REASON_CHARS = 300
_TRY_AGAIN = {
    httpx.codes.TOO_MANY_REQUESTS,
    httpx.codes.BAD_GATEWAY,
    httpx.codes.SERVICE_UNAVAILABLE,
    httpx.codes.GATEWAY_TIMEOUT,
}


class Sender:
    """Sends reports to one server, one object a line."""

    def __init__(self, client: Client) -> None:
        """Send with this client's server and access key."""
        self._client = client
        self._reached = False

    def send(self, path: str, items: list[bytes]) -> Recorded:
        """Return the server's answer, once it has made the items durable.

        Raises:
            Refused: the server refuses the call as a whole.
            Unavailable: there is no such server, or it does not come back.
        """
        request = httpx.Request(
            "POST",
            f"{self._client.endpoint}{path}",
            content=b"\n".join(items),
            headers={"content-type": NDJSON},
        )
        auth = (self._client.access_key_id, self._client.access_key_secret)
        reason = ""
        for pause_s in _PAUSES_S:
            try:
                response = self._client.send(request, auth)
            except Unavailable as error:
                if not self._reached:
                    raise
                reason = error.text
                self._wait(pause_s, reason)
                continue
            self._reached = True
            if response.status_code not in _TRY_AGAIN:
                return self._recorded(response)
            asked = response.headers.get("retry-after", "")
            asked_s = float(asked) if asked.isdecimal() else 0.0
            reason = _reason(response)
            self._wait(max(pause_s, min(asked_s, _LONGEST_PAUSE_S)), reason)
        raise Unavailable(
            f"{self._client.endpoint} did not recover: {reason}. Fix the server, then run this command again"
        )

    def _recorded(self, response: httpx.Response) -> Recorded:
        try:
            return msgspec.convert(self._client.fields(response), Recorded)
        except msgspec.ValidationError:
            raise Refused(f"{self._client.endpoint} does not answer as otpconv does") from None

    @staticmethod
    def _wait(pause_s: float, reason: str) -> None:
        note(f"trying again in {pause_s:g} s: {reason}")
        time.sleep(pause_s)


def _reason(response: httpx.Response) -> str:
    """Return the status and what the server, or the proxy before it, says about it, on one line."""
    try:
        fields = msgspec.json.decode(response.content)
        text = fields.get("detail") or fields.get("Message") if isinstance(fields, dict) else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = response.text if response.headers.get("content-type", "").startswith("text/plain") else ""
    said = " ".join(str(text or response.reason_phrase).split())[:_REASON_CHARS]
    return f"HTTP {response.status_code}: {said}"

"""Delivery to otpconv: batches of the native API."""

from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from otpconv.clock import Clock
from otpconv.delivery.connection import Connection, Response, Unreachable
from otpconv.delivery.credentials import Provider
from otpconv.delivery.reports import MESSAGE, Report
from otpconv.delivery.skew import Skew
from otpconv.delivery.transport import DELIVERED, Fate, Outcome
from otpconv.delivery.verdicts import of_status, wait_ms
from otpconv.dialects.native.answers import ProblemSummary, Recorded
from otpconv.dialects.native.reports import CONVERSIONS_PATH, MESSAGES_PATH, NDJSON

_OK = 200


_recorded = msgspec.json.Decoder(Recorded).decode
_problem = msgspec.json.Decoder(ProblemSummary).decode


class NativeTransport:
    """Sends batches to the native API of one otpconv server; see `Transport`."""

    most = 1000
    takes_requested = True

    def __init__(self, url: str, credentials: Provider, timeout_ms: int, clock: Clock) -> None:
        """Prepare calls to a server.

        Args:
            url: of the server.
            credentials: returns the access key of the calls.
            timeout_ms: how long an answer may take, ms.
            clock: the time now.
        """
        self.destination = url
        self._prefix = urlsplit(url).path.rstrip("/")
        self._credentials = credentials
        self._clock = clock
        self._connection = Connection(url, timeout_ms)
        self._skew = Skew()

    def send(self, reports: Sequence[Report]) -> list[Outcome]:
        """Send the messages, then the conversions, and return the outcomes in the reports' order."""
        outcomes: list[Outcome] = [DELIVERED] * len(reports)
        for path, kind in ((MESSAGES_PATH, MESSAGE), (CONVERSIONS_PATH, 0)):
            places = [place for place, report in enumerate(reports) if report.flags & MESSAGE == kind]
            if places:
                for place, outcome in zip(
                    places, self._send(path, [reports[place] for place in places]), strict=True
                ):
                    outcomes[place] = outcome
        return outcomes

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _send(self, path: str, reports: Sequence[Report]) -> list[Outcome]:
        """Send reports of one kind; halve a refused batch until the wrong report is found."""
        found = self._post(path, reports)
        if isinstance(found, list):
            return found
        if found.fate is not Fate.REJECTED or len(reports) == 1:
            return [found] * len(reports)
        middle = len(reports) // 2
        return self._send(path, reports[:middle]) + self._send(path, reports[middle:])

    def _post(self, path: str, reports: Sequence[Report]) -> list[Outcome] | Outcome:
        """Return the outcome of each report, or the one outcome of all."""
        key = self._credentials()
        login = b64encode(f"{key.access_key_id}:{key.access_key_secret}".encode()).decode()
        headers = {"authorization": f"Basic {login}", "content-type": NDJSON}
        body = b"\n".join([self._skew.correct(report).body for report in reports])
        try:
            answer = self._connection.post(f"{self._prefix}{path}", headers, body)
        except Unreachable as error:
            return Outcome(Fate.FAILED, error.kind, str(error))
        now = self._clock()
        found = _read(answer, len(reports), now)
        if self._skew.learn(answer.headers.get("date"), now) and isinstance(found, list):
            # Times that are wrong by a clock's fault are reported once more, by the server's clock.
            again = Outcome(Fate.BUSY, "ClockSkew", "the clock of this machine is wrong")
            return [again if each.code == "InvalidTime" else each for each in found]
        return found


def _read(answer: Response, count: int, now: int) -> list[Outcome] | Outcome:
    if answer.status != _OK:
        try:
            problem = _problem(answer.body)
        except msgspec.MsgspecError:
            problem = ProblemSummary()
        reason = problem.detail or f"HTTP {answer.status}"
        return of_status(answer.status, problem.code, reason, wait_ms(answer.headers, now))
    try:
        recorded = _recorded(answer.body)
    except msgspec.MsgspecError:
        recorded = None
    outcomes = [DELIVERED] * count
    if recorded is None or recorded.recorded + recorded.unchanged + len(recorded.rejected) != count:
        return Outcome(Fate.FAILED, "Garbled", "the answer is not that of otpconv")
    for each in recorded.rejected:
        if not 0 <= each.index < count:
            return Outcome(Fate.FAILED, "Garbled", "the answer is not that of otpconv")
        outcomes[each.index] = Outcome(Fate.REJECTED, each.code, each.message)
    return outcomes

"""Delivery by signed SmsConversion calls, one a conversion, as the official SDKs make them."""

import platform
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import UNSET, Struct

from otpconv import __version__
from otpconv.clock import Clock
from otpconv.delivery.connection import Connection, Response, Unreachable
from otpconv.delivery.credentials import Credentials, Provider
from otpconv.delivery.reports import Report, fields_of
from otpconv.delivery.skew import Skew
from otpconv.delivery.transport import DELIVERED, Fate, Outcome
from otpconv.delivery.verdicts import of_product, of_status, wait_ms
from otpconv.dialects.alibaba.wire.signature import sign_v3
from otpconv.dialects.native.timed import TimedConversion

_OK = 200
#: Connections are opened for this many reports each, up to the concurrency.
_REPORTS_A_CONNECTION = 4
_USER_AGENT = f"otpconv/{__version__} Python/{platform.python_version()}"


class _Fields(Struct, rename="pascal"):
    response_code: str = ""
    response_description: str = ""
    code: str = ""
    message: str = ""


_fields = msgspec.json.Decoder(_Fields).decode


class SmsConversionTransport:
    """Makes SmsConversion calls (version 2018-05-01, signature V3) to one endpoint; see `Transport`.

    A few threads, for the time of a `send`, have a connection each: an endpoint far away answers after a
    tenth of a second, and many calls must be on their way at once.
    """

    most = 256
    takes_requested = False

    def __init__(
        self, url: str, credentials: Provider, timeout_ms: int, clock: Clock, concurrency: int
    ) -> None:
        """Prepare calls to an endpoint.

        Args:
            url: of the endpoint.
            credentials: returns the access key of the calls.
            timeout_ms: how long an answer may take, ms.
            clock: the time now.
            concurrency: the most calls at once.
        """
        self.destination = url
        self._host = urlsplit(url).netloc
        self._credentials = credentials
        self._clock = clock
        self._connections = [Connection(url, timeout_ms) for _ in range(concurrency)]
        self._skew = Skew()

    def send(self, reports: Sequence[Report]) -> list[Outcome]:
        """Make a call for each report, and return the outcomes in the reports' order."""
        key = self._credentials()
        outcomes = [Outcome(Fate.UNSENT)] * len(reports)
        places = iter(range(len(reports)))
        count = min(len(self._connections), 1 + len(reports) // _REPORTS_A_CONNECTION)
        work = [
            threading.Thread(
                target=self._work,
                args=(connection, key, reports, places, outcomes),
                name="otpconv-sender",
                daemon=True,
            )
            for connection in self._connections[1:count]
        ]
        with suppress(RuntimeError):
            # The interpreter is ending, or the machine has no more threads: this one does the work.
            for thread in work:
                thread.start()
        self._work(self._connections[0], key, reports, places, outcomes)
        for thread in work:
            if thread.ident is not None:
                thread.join()
        return outcomes

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()

    def _work(
        self,
        connection: Connection,
        key: Credentials,
        reports: Sequence[Report],
        places: Iterator[int],
        outcomes: list[Outcome],
    ) -> None:
        """Make calls on one connection until there are no more, or one comes to nothing."""
        for place in places:
            outcome = outcomes[place] = self._call(connection, key, reports[place])
            if outcome.fate not in {Fate.DELIVERED, Fate.REJECTED}:
                return

    def _call(self, connection: Connection, key: Credentials, report: Report) -> Outcome:
        skew_ms = self._skew.ms
        parameters = _parameters(self._skew.correct(report))
        try:
            headers = signed_headers(self._host, parameters, key, self._clock() + skew_ms)
            answer = connection.post(f"/?{urlencode(parameters)}", headers, b"")
        except Unreachable as error:
            return Outcome(Fate.FAILED, error.kind, str(error))
        now = self._clock()
        outcome = outcome_of(answer, now)
        self._skew.learn(answer.headers.get("date"), now)
        if self._skew.differs(skew_ms) and outcome.fate is not Fate.DELIVERED:
            # The clock may have been wrong, and another call may have measured it: try once more.
            return Outcome(Fate.BUSY, "ClockSkew", "the clock of this machine is wrong")
        return outcome


def signed_headers(
    host: str,
    parameters: Mapping[str, str],
    key: Credentials,
    now: int,
    *,
    action: str = "SmsConversion",
    version: str = "2018-05-01",
    form: bytes = b"",
) -> dict[str, str]:
    """Return the headers of a signed call.

    Args:
        host: host and port, as in the URL.
        parameters: of the query.
        key: who calls.
        now: the time by the other side's clock, ms.
        action: the operation.
        version: of the API.
        form: further parameters, as the body.
    """
    headers = {
        "host": host,
        "accept": "application/json",
        "user-agent": _USER_AGENT,
        "x-acs-action": action,
        "x-acs-version": version,
        "x-acs-date": datetime.fromtimestamp(now // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": secrets.token_hex(16),
    }
    if form:
        headers["content-type"] = "application/x-www-form-urlencoded"
    if key.security_token:
        headers["x-acs-security-token"] = key.security_token
        headers["x-acs-accesskey-id"] = key.access_key_id
    return sign_v3(
        "POST", parameters, headers, form, access_key_id=key.access_key_id, secret=key.access_key_secret
    )


def _parameters(report: Report) -> dict[str, str]:
    fields = fields_of(report)
    assert isinstance(fields, TimedConversion), "requested messages are not spooled for this transport"  # noqa: S101
    parameters = {"Delivered": str(fields.delivered), "ConversionTime": str(fields.conversion_time)}
    if fields.message_id is not UNSET:
        parameters["MessageId"] = fields.message_id
    if fields.to is not UNSET:
        parameters["To"] = fields.to.removeprefix("+")
    return parameters


def outcome_of(answer: Response, now: int) -> Outcome:
    """Return the meaning of the answer to a call, which came at `now` (ms)."""
    try:
        fields = _fields(answer.body)
    except msgspec.MsgspecError:
        fields = _Fields()
    wait = wait_ms(answer.headers, now)
    if answer.status != _OK:
        return of_status(answer.status, fields.code, fields.message or f"HTTP {answer.status}", wait)
    code = fields.response_code or fields.code
    if code == "OK":
        return DELIVERED
    if not code:
        return Outcome(Fate.FAILED, "Garbled", "the answer is not that of SmsConversion", wait)
    return of_product(code, fields.response_description or fields.message)

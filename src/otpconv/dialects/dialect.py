"""What a dialect is: the wire of one vendor's API, as that vendor's clients speak it.

A dialect is pure: it gets the parts of an HTTP request and returns values and bytes. The endpoint
(`web/rpc/endpoint.py`) does everything else: it looks up keys, checks nonces and policies, and records
reports.
`routing.py` lists the dialects and finds the one that a request belongs to.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal, Protocol, TypeVar

from msgspec import Struct

from otpconv.errors import NotFound, Refused
from otpconv.model import Report

#: Reports of one call at most, in every dialect.
MAX_REPORTS: Final = 100

#: Names and values of headers as ASGI gives them: names in lower case, values trimmed.
Headers = list[tuple[bytes, bytes]]
#: Headers by name, from `by_name`.
Fields = dict[bytes, bytes]
#: (account, number in E.164) -> the keyed hash that is stored instead of the number.
HashNumber = Callable[[int, str], str]


class HttpRequest(Struct, frozen=True, gc=False):
    """An HTTP request.

    Attributes:
        method: the HTTP method, upper case.
        path: decoded, with its first `/`.
        query: as it came, without the `?`.
        fields: the headers by name.
        body: the whole body; empty until it was read.
    """

    method: str
    path: str
    query: bytes
    fields: Fields
    body: bytes = b""


class HttpResponse(Struct, gc=False):
    """An HTTP response.

    Attributes:
        status: the HTTP status.
        headers: names in lower case; with Content-Length.
        body: the whole body.
        code: the error code in it, or `OK`; for metrics.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    code: str = "OK"


class SignedCall(Protocol):
    """A call that was read and whose signature is not verified yet."""

    @property
    def access_key_id(self) -> str:
        """The id of the access key that claims to have signed the call."""

    @property
    def security_token(self) -> str:
        """The token of temporary credentials; empty without."""

    @property
    def nonce(self) -> str:
        """A text that the caller uses once; empty if the wire has none. A nonce needs a `signed_at`."""

    @property
    def signed_at(self) -> int | None:
        """When the call was signed, ms UTC, by the caller's clock; None if the wire does not say it."""

    @property
    def permission(self) -> str:
        """The action that a policy must allow, e.g. `dysms:SmsConversion`."""

    def verify(self, secret: str) -> None:
        """Check that `secret` made the signature, in constant time.

        Raises:
            SignatureMismatch: another secret made it, or the request was changed after it was signed.
        """


class LoginCall(Struct, frozen=True, kw_only=True):
    """A call that contains the secret itself, e.g. by HTTP Basic; see `credentials.py`.

    The endpoint compares the secret and counts wrong ones, as for the native API.

    Attributes:
        access_key_id: the id of the access key.
        secret: its AccessKeySecret, as the caller sent it; `repr` never shows it.
        permission: the action that a policy must allow, e.g. `twilio:CreateMessageFeedback`.
    """

    access_key_id: str
    secret: str
    permission: str

    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return f"{type(self).__name__}({self.access_key_id!r}, {self.permission!r})"

    def __rich_repr__(self) -> list[tuple[str, str]]:  # type: ignore[explicit-override]
        return [("access_key_id", self.access_key_id), ("permission", self.permission)]


class UnknownOperation(NotFound):
    """A request in a dialect that is not one of its operations here, such as sending a message."""

    def __init__(
        self, operation: str, why: str = "it records conversions, and does not send messages"
    ) -> None:
        """Name the operation as the vendor does, e.g. `POST /2010-04-01/Accounts/AC1/Messages.json`."""
        super().__init__(
            f"{operation} is not an operation of this server: {why}."
            " Use one client for reports to this server, and another one for all other calls."
        )


#: A call that was read, before it is known who calls.
Call = SignedCall | LoginCall
CallT = TypeVar("CallT", bound=Call)

#: What became of a report of a call: new, already known, or refused and why.
Outcome = Literal["recorded", "unchanged"] | Refused


class Dialect(Protocol[CallT]):
    """Reads the requests of one vendor's clients, and writes the responses that these clients understand."""

    def claims(self, request: HttpRequest) -> bool:
        """Return whether a request is in this dialect; see `routing.py`.

        Uses the method, the path, the query and the headers. The body is empty until it was read: a dialect
        that needs the body to recognize a request claims it then.
        """

    def preflight(self) -> HttpResponse:
        """Return the response to OPTIONS, which browsers send before a call."""

    def read(self, request: HttpRequest) -> CallT:
        """Return the call that a request makes.

        Raises:
            Refused: the request is not a well-formed call with credentials.
            UnknownOperation: it is not an operation of this server.
        """

    def reports(
        self, call: CallT, account: int, now: int, number_hash: HashNumber, region: str
    ) -> Sequence[Report | Refused]:
        """Return the reports in a verified call, at most `MAX_REPORTS`; none if it has nothing to record.

        Of a call with several items, a malformed item may be returned as its refusal.

        Args:
            call: the call.
            account: the account of the caller.
            now: the current time, ms UTC.
            number_hash: hashes an account and a number (E.164).
            region: the ISO 3166 country whose national numbers are read; empty for none.

        Raises:
            Refused: a parameter is missing or malformed.
        """

    def success(self, call: CallT, request_id: str, outcomes: Sequence[Outcome], now: int) -> HttpResponse:
        """Return the response to a call whose reports are durable.

        Args:
            call: the call.
            request_id: the id of the request in the log.
            outcomes: what became of each report, in the order of `reports`. If the only report of a call is
                refused, `failure` gets its refusal instead.
            now: when the call arrived, ms UTC.

        Raises:
            Refused: the vendor answers these outcomes by an error, e.g. a repeat; then `failure` gets it.
        """

    def failure(
        self,
        error: Exception,
        request_id: str,
        *,
        request: HttpRequest,
        call: CallT | None,
        public_url: str,
    ) -> HttpResponse:
        """Return the response to a request that was refused or failed.

        Args:
            error: the reason. An error that is not ours is reported as internal, without its text.
            request_id: the id of the request in the log.
            request: the request.
            call: the call; None if the request could not be read.
            public_url: the URL of this server's pages, without a slash at the end.
        """


def by_name(headers: Headers) -> Fields:
    """Return the headers by name. The values of a repeated header are sorted and joined by commas."""
    fields = dict(headers)
    if len(fields) == len(headers):
        return fields
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return {name: b",".join(sorted(repeated)) for name, repeated in values.items()}

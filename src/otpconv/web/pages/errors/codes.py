"""The error codes of Alibaba's dialect and of the native API, for the error centre."""

from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import Struct

from otpconv.dialects.alibaba import CODES
from otpconv.dialects.native.answers import Problem
from otpconv.errors import OtpconvError
from otpconv.web.pages.errors.examples import example
from otpconv.web.pages.errors.vendor_codes import Reason

_RPC = "Alibaba Cloud SMS"
_PRODUCT = "Alibaba Cloud SMS, with HTTP 200"
_NATIVE = "The native API and the pages"

#: The remedy for each code of the native API.
REMEDIES: Final = {
    "AccessDenied": "Attach a policy that allows the action named in the detail, or use another access key. "
    "`otpconv access explain` names the statement that decides.",
    "AnswerTooLarge": "Ask for a shorter window, a longer interval or fewer dimensions, filter by a "
    "dimension, or limit the groups by top or min_requested. You can also split the question into several "
    "narrow ones.",
    "BadCredentials": "Send an AccessKeyId and its AccessKeySecret by HTTP Basic, e.g. `curl -u ID:SECRET`. "
    "In a browser, sign in.",
    "BodyTooLarge": "Send the reports in several calls of at most 8 MiB each.",
    "BodyTooSlow": "Send the request again. If it fails again, check the network and the proxies on the way.",
    "ExpiredToken": "Assume the role again. The detail gives the expiry of the token and the server's time.",
    "ForeignForm": "Open the page again, sign in if asked, and send the form from there.",
    "InactiveAccessKey": "Enable the key with `otpconv keys enable`, or use another key.",
    "InternalError": "Send the request again. If it fails again, read the server's log.",
    "InvalidNumber": "Write the number with a plus and its country code, e.g. +4915112345678.",
    "InvalidRequest": "Correct the value that the detail names, and send the request again.",
    "InvalidTime": "Send a time in milliseconds UTC that is later than the sending of the message and not in "
    "the future.",
    "MalformedToken": "Assume the role again at this server.",
    "MethodNotAllowed": "Use one of the methods in the `Allow` header.",
    "MismatchedToken": "Send the AccessKeyId, AccessKeySecret and SecurityToken of the same temporary "
    "credentials.",
    "Misconfigured": "Ask the operator to fix the setting or file that the server's log names.",
    "NeedsTls": "Use an https:// URL.",
    "NotFound": "Check the path and the names in it. /openapi.json lists all paths.",
    "NumberMismatch": "Report the number that the message was sent to, or the message id only.",
    "Refused": "Correct the problem that the detail describes, and send the request again.",
    "ReplayedNonce": "Sign each attempt again, with a new nonce.",
    "SignatureMismatch": "Check the AccessKeySecret, and make sure that nothing changes the request after "
    "it is signed.",
    "StaleTimestamp": "Correct the clock, e.g. by NTP, and sign the request again. The detail gives the "
    "server's time in UTC, and the difference.",
    "Throttled": "Wait for the seconds in the `Retry-After` header, and send the same request again.",
    "Unavailable": "Send the same request again later. Repeating a report does no harm.",
    "UnknownAccessKey": "Compare the AccessKeyId with the output of `otpconv keys list`.",
    "UnknownOutcome": "Ask the vendor what became of the message before you send it again.",
    "UnknownMessage": "Report the message as requested first, or ask the operator to turn off `strict`.",
    "UnsupportedMediaType": "Send application/json or application/x-ndjson, uncompressed.",
}


class CatalogueEntry(Struct, frozen=True):
    """One code as the error centre shows it.

    Attributes:
        code: the code on the wire.
        status: the HTTP status.
        text: the documented sentence; empty if there is none.
        cause: why it is sent.
        remedy: what to do about it.
        group: which part of the server sends it.
        native: whether the native API also sends it.
    """

    code: str
    status: int
    text: str
    cause: str
    remedy: str
    group: str
    native: bool

    @property
    def path(self) -> str:
        """The path of its page, below that of the error centre."""
        return self.code

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why it is sent."""
        return (Reason(self.cause, self.remedy),)

    @property
    def diagnosed(self) -> bool:
        """Whether the diagnosis of a request helps."""
        return self.code.startswith("Signature")


def catalogue() -> dict[str, CatalogueEntry]:
    """Return every code by its name, the codes of the RPC endpoint first."""
    kinds = {kind.code: kind for kind in _kinds(OtpconvError) if "code" in vars(kind)}
    entries = {
        code: CatalogueEntry(
            code,
            error.status,
            error.text,
            error.cause,
            error.remedy,
            _PRODUCT if error.status == HTTPStatus.OK else _RPC,
            code in kinds,
        )
        for code, error in CODES.items()
    }
    for code, kind in kinds.items():
        if code not in entries:
            cause = str(kind.__doc__).partition("\n")[0]
            entries[code] = CatalogueEntry(code, kind.status, "", cause, REMEDIES[code], _NATIVE, native=True)
    # Some codes are in two groups, so the order is fixed: the common ones first.
    order = (_RPC, _PRODUCT, _NATIVE)
    return {entry.code: entry for group in order for entry in entries.values() if entry.group == group}


def examples(entry: CatalogueEntry, public_url: str) -> list[tuple[str, str]]:
    """Return example responses with a code; each comes with a title that says who sends it.

    Args:
        entry: the code.
        public_url: the URL that the links in the responses begin with.
    """
    pairs = []
    if entry.code in CODES:
        answer = example(entry.code, public_url)
        pairs.append((f"{entry.group.partition(',')[0]}, HTTP {answer.status}", _pretty(answer.body)))
    if entry.native:
        problem = Problem(
            type=f"{public_url}/errors/{entry.code}",
            title=HTTPStatus(entry.status).phrase,
            status=entry.status,
            code=entry.code,
            detail=REMEDIES[entry.code],
        )
        pairs.append((f"The native API, HTTP {entry.status}", _pretty(msgspec.json.encode(problem))))
    return pairs


def _kinds(kind: type[OtpconvError]) -> list[type[OtpconvError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _kinds(child))]


def _pretty(body: bytes) -> str:
    return msgspec.json.format(body, indent=2).decode()

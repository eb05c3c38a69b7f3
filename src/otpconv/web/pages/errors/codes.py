"""Every error code of this server, for the error centre: those of Alibaba's dialect and of the native API."""

from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import Struct

from otpconv.dialects.alibaba import CODES
from otpconv.dialects.native.answers import Problem
from otpconv.errors import OtpconvError
from otpconv.web.pages.errors.examples import example

_RPC = "The RPC endpoint"
_PRODUCT = "The RPC endpoint, with HTTP 200"
_NATIVE = "The native API and the pages"

#: What to do about each code of the native API.
REMEDIES: Final = {
    "AccessDenied": "Attach a policy that allows the action named in the detail, or use another access key; "
    "`otpconv access explain` shows which statement decides.",
    "AnswerTooLarge": "Ask about less time, a longer interval or fewer dimensions, filter a dimension, or "
    "choose groups by top or min_requested. Several narrow questions together answer the wide one.",
    "BadCredentials": "Send an AccessKeyId and its AccessKeySecret by HTTP Basic, as `curl -u ID:SECRET`; "
    "in a browser, sign in.",
    "BodyTooLarge": "Send the reports in several calls, each of at most 8 MiB.",
    "BodyTooSlow": "Send the request again; look at the network and the proxies on the way if it stays.",
    "ExpiredToken": "Assume the role again; the detail says when the token expired, and the server's time.",
    "ForeignForm": "Open the page again, sign in if it asks for it, and send the form from there.",
    "InactiveAccessKey": "Enable the key by `otpconv keys enable`, or use another one.",
    "InternalError": "Send the request again; if it stays, look into the server's log.",
    "InvalidNumber": "Write the number with a plus and its country code, as +4915112345678.",
    "InvalidRequest": "The detail names the value and what it must be; correct it and send again.",
    "InvalidTime": "Send a time after the message was sent and not in the future, in milliseconds UTC.",
    "MalformedToken": "Assume the role again, at this server.",
    "MethodNotAllowed": "Use one of the methods in the header Allow.",
    "MismatchedToken": "Send AccessKeyId, AccessKeySecret and token of the same temporary credentials.",
    "Misconfigured": "The operator fixes what the server's log names.",
    "NeedsTls": "Use an https:// URL.",
    "NotFound": "Compare the path and the names in it; /openapi.json lists the paths.",
    "NumberMismatch": "Report the number that the message was sent to, or the message id alone.",
    "Refused": "The detail says what is wrong; correct it and send the request again.",
    "ReplayedNonce": "Sign every attempt again, with a new nonce.",
    "SignatureMismatch": "Check the AccessKeySecret, and that nothing changes the request once it is signed.",
    "StaleTimestamp": "Set the clock, e.g. by NTP, and sign the request again; the detail gives the server's "
    "time in UTC, and the difference.",
    "Throttled": "Wait the seconds in the header Retry-After, and send the same request again.",
    "Unavailable": "Send the same request again later: repeating a report changes nothing.",
    "UnknownAccessKey": "Compare the AccessKeyId with `otpconv keys list`.",
    "UnknownMessage": "Report the message as requested first, or let the operator turn off `strict`.",
    "UnsupportedMediaType": "Send application/json or application/x-ndjson, not compressed.",
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
    found = []
    if entry.code in CODES:
        answer = example(entry.code, public_url)
        found.append((f"{entry.group.partition(',')[0]}, HTTP {answer.status}", _pretty(answer.body)))
    if entry.native:
        problem = Problem(
            type=f"{public_url}/errors/{entry.code}",
            title=HTTPStatus(entry.status).phrase,
            status=entry.status,
            code=entry.code,
            detail=REMEDIES[entry.code],
        )
        found.append((f"The native API, HTTP {entry.status}", _pretty(msgspec.json.encode(problem))))
    return found


def _kinds(kind: type[OtpconvError]) -> list[type[OtpconvError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _kinds(child))]


def _pretty(body: bytes) -> str:
    return msgspec.json.format(body, indent=2).decode()

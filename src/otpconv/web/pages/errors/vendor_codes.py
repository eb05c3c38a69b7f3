"""The error codes of the other vendors, for the error centre, from the samples that dialects answer."""

from typing import Final

import msgspec
from msgspec import Struct

from otpconv.dialects.dialect import HttpRequest, HttpResponse
from otpconv.dialects.tutor.refusals import Refusal
from otpconv.dialects.tutor.vendor import Vendor
from otpconv.dialects.vendors import VENDORS
from otpconv.errors import SignatureMismatch

_REQUEST_ID: Final = "8D6A8F3C-5E0B-4C5B-9B7E-0000000004D2"


class Reason(Struct, frozen=True):
    """One reason for which a code is sent.

    Attributes:
        cause: why it is sent.
        remedy: what to do about it.
    """

    cause: str
    remedy: str


class VendorEntry(Struct, frozen=True):
    """One code of a vendor as the error centre shows it.

    Attributes:
        code: the code on the wire.
        path: of its page, below that of the error centre.
        status: the HTTP statuses it is sent with, with commas between them.
        group: the name of the vendor.
        reasons: why it is sent.
        example: the body of an answer with it.
        diagnosed: whether the diagnosis of a request helps.
    """

    code: str
    path: str
    status: str
    group: str
    reasons: tuple[Reason, ...]
    example: str
    diagnosed: bool
    text: str = ""

    @property
    def cause(self) -> str:
        """All causes, as a text."""
        return " ".join(reason.cause for reason in self.reasons)


def vendor_catalogue(public_url: str) -> dict[str, VendorEntry]:
    """Return the codes of all vendors by their path, e.g. `aws/ValidationException`.

    Args:
        public_url: the URL that the links in the examples begin with.
    """
    entries: dict[str, VendorEntry] = {}
    for vendor in VENDORS.values():
        codes: dict[str, list[tuple[Refusal, HttpResponse]]] = {}
        for refusal in vendor.refusals:
            answer = _answer(vendor, refusal, public_url)
            codes.setdefault(answer.code, []).append((refusal, answer))
        for code, answered in codes.items():
            entry = _entry(vendor, code, answered)
            entries[entry.path] = entry
    return entries


def _answer(vendor: Vendor, refusal: Refusal, public_url: str) -> HttpResponse:
    request = HttpRequest("POST", refusal.path, b"", {})
    return vendor.dialect.failure(
        refusal.error, _REQUEST_ID, request=request, call=None, public_url=public_url
    )


def _entry(vendor: Vendor, code: str, answered: list[tuple[Refusal, HttpResponse]]) -> VendorEntry:
    statuses = sorted({answer.status for _, answer in answered})
    return VendorEntry(
        code,
        f"{vendor.name}/{code}",
        ", ".join(map(str, statuses)),
        vendor.title,
        tuple(dict.fromkeys(Reason(refusal.why, refusal.remedy) for refusal, _ in answered)),
        msgspec.json.format(answered[0][1].body, indent=2).decode(),
        any(isinstance(refusal.error, SignatureMismatch) for refusal, _ in answered),
    )

"""Diagnoses why a request of a vendor is refused: makes the server's checks in the same order.

The texts never contain a secret or a right signature: who asks about a request may not have its secret.
"""

import hmac
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

from otpconv.dialects.dialect import Call, HttpRequest, LoginCall, SignedCall
from otpconv.dialects.tutor.findings import Diagnosis, Finding, nonce_finding, time_finding
from otpconv.dialects.tutor.variants import Variant, request_variants, secret_variants
from otpconv.dialects.tutor.vendor import Vendor
from otpconv.errors import Refused, SignatureMismatch

_UNEXPLAINED: Final = (
    "Compare the AccessKeySecret character by character. If it is right, something was changed after the"
    " signature was made, e.g. by a proxy. Compare the text that was signed with the one below."
)


def diagnose(
    vendor: Vendor,
    request: HttpRequest,
    *,
    secret_of: Callable[[Call], str],
    others: Mapping[str, str],
    was_used: Callable[[SignedCall], bool],
    now: int,
    window_ms: int,
    region: str,
) -> Diagnosis:
    """Diagnose a request.

    Args:
        vendor: whose dialect claims the request.
        request: the request.
        secret_of: returns the secret of the access key of a call, or raises `Refused`.
        others: secrets of other access keys, by id, that may have been used by mistake.
        was_used: returns whether the nonce of a call was accepted before.
        now: the current time, ms UTC.
        window_ms: how far from now a request may have been signed, ms.
        region: the ISO 3166 country whose national numbers are read; empty for none.
    """
    findings = [Finding("Vendor", "good", f"It is a request to {vendor.title}.")]
    try:
        call: Any = vendor.dialect.read(request)
    except Refused as error:
        findings.append(_refused("Form", vendor, request, error))
        logs_in = any(way.signature is None for each in vendor.operations for way in each.ways)
        return Diagnosis(tuple(findings), has_secret=logs_in)
    findings.append(Finding("Form", "good", f"A call that needs the permission {call.permission}."))
    signed = () if isinstance(call, LoginCall) else vendor.texts(call)
    try:
        secret = secret_of(call)
    except Refused as error:
        findings.append(Finding("Access key", "bad", error.text))
        return Diagnosis(tuple(findings), signed, has_secret=isinstance(call, LoginCall))
    findings.append(Finding("Access key", "good", f"{call.access_key_id} is known and active."))
    if isinstance(call, LoginCall):
        findings.append(_login(call, secret, others))
    else:
        if call.signed_at is not None:
            findings.append(time_finding(call.signed_at, now, window_ms))
        findings += _signature(vendor, request, call, secret, others)
        if call.nonce:
            findings.append(nonce_finding(was_used(call), now))
    findings += _parameters(vendor, request, call, now, region)
    return Diagnosis(tuple(findings), signed, has_secret=isinstance(call, LoginCall))


def _refused(subject: str, vendor: Vendor, request: HttpRequest, error: Refused) -> Finding:
    """Return the finding that the dialect refuses a request, with the vendor's code."""
    code = vendor.dialect.failure(error, "", request=request, call=None, public_url="").code
    remedy = next((each.remedy for each in vendor.refusals if type(each.error) is type(error)), "")
    return Finding(subject, "bad", f"{code}: {error.text}", remedy)


def _login(call: LoginCall, secret: str, others: Mapping[str, str]) -> Finding:
    sent = call.secret.encode()
    if hmac.compare_digest(sent, secret.encode()):
        return Finding("Secret", "good", "It is right.")
    for variant in secret_variants(secret, others):
        if hmac.compare_digest(sent, variant.secret.encode()):
            return Finding("Secret", "bad", variant.what, variant.remedy)
    return Finding(
        "Secret",
        "bad",
        "It is not the one of this access key.",
        "Compare the AccessKeySecret character by character, or create another key: otpconv keys create.",
    )


def _signature(
    vendor: Vendor, request: HttpRequest, call: SignedCall, secret: str, others: Mapping[str, str]
) -> list[Finding]:
    if _made(call, secret):
        return [Finding("Signature", "good", "It is right.")]
    for mistakes in _explanations(vendor, request, call, secret, others):
        return [Finding("Signature", "bad", what, remedy) for what, remedy in mistakes]
    what = "It is not the one of this request and this secret, and no usual mistake explains it."
    return [Finding("Signature", "bad", what, _UNEXPLAINED)]


def _explanations(
    vendor: Vendor, request: HttpRequest, call: SignedCall, secret: str, others: Mapping[str, str]
) -> Iterator[list[tuple[str, str]]]:
    """Return the mistakes that explain the signature: one, or one of the secret and one of the request."""
    secrets = list(secret_variants(secret, others))
    yield from ([(each.what, each.remedy)] for each in secrets if _made(call, each.secret))
    for variant in chain(vendor.variants(call), _read_again(vendor, request)):
        if _made(variant.call, secret):
            yield [(variant.what, variant.remedy)]
        yield from (
            [(each.what, each.remedy), (variant.what, variant.remedy)]
            for each in secrets
            if _made(variant.call, each.secret)
        )


def _read_again(vendor: Vendor, request: HttpRequest) -> Iterator[Variant]:
    """Return the calls of the requests that people often sign when they send this one."""
    for variant in request_variants(request):
        try:
            call: Any = vendor.dialect.read(variant.request)
        except Refused:
            continue
        yield Variant(variant.what, variant.remedy, call)


def _made(call: SignedCall, secret: str) -> bool:
    """Return whether a secret made the signature of a call."""
    try:
        call.verify(secret)
    except SignatureMismatch:
        return False
    return True


def _parameters(vendor: Vendor, request: HttpRequest, call: Any, now: int, region: str) -> list[Finding]:  # noqa: ANN401
    """Return whether a report can be recorded; nothing for a question."""
    if not any(each.method != "GET" and each.permission == call.permission for each in vendor.operations):
        return []
    try:
        reports = vendor.dialect.reports(call, 0, now, lambda _, number: number, region)
        refused = next((each for each in reports if isinstance(each, Refused)), None)
    except Refused as error:
        refused = error
    if refused is not None:
        return [_refused("Parameters", vendor, request, refused)]
    return [Finding("Parameters", "good", "They are well-formed.")]

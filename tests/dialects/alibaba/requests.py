"""Requests as Alibaba's clients send them, for the test of the routing table."""

from urllib.parse import urlencode

from hypothesis import strategies as st

from otpconv.dialects.dialect import HttpRequest

_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
_COMMON = ("AccessKeyId", "Signature", "SignatureMethod", "SignatureNonce", "Timestamp", "Version", "Format")
_ACTIONS = st.sampled_from(["SmsConversion", "SmsConversionIntl", "AssumeRole", "SendSms", "Conversion", ""])
_FORM = b"application/x-www-form-urlencoded"


@st.composite
def _v1(draw: st.DrawFn) -> HttpRequest:
    """V1 has its parameters in the query or in a form."""
    names = draw(st.sets(st.sampled_from(_COMMON)))
    parameters = {"Action": draw(_ACTIONS)} | {name: draw(_TEXT) for name in names}
    encoded = urlencode(parameters).encode()
    if draw(st.booleans()):
        return HttpRequest(draw(st.sampled_from(["GET", "POST"])), "/", encoded, {b"host": b"otp.example"})
    return HttpRequest("POST", "/", b"", {b"content-type": _FORM}, encoded)


@st.composite
def _v3(draw: st.DrawFn) -> HttpRequest:
    """V3 has its action in a header, and a body of any type."""
    fields = {
        b"authorization": b"ACS3-HMAC-SHA256 Credential=" + draw(_TEXT).encode(),
        b"x-acs-action": draw(_ACTIONS).encode(),
        b"x-acs-version": b"2018-05-01",
        b"x-acs-signature-nonce": draw(_TEXT).encode(),
        b"content-type": draw(st.sampled_from([_FORM, b"application/json", b"application/octet-stream"])),
    }
    method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE"]))
    return HttpRequest(method, "/", urlencode({"MessageId": draw(_TEXT)}).encode(), fields)


def requests() -> st.SearchStrategy[HttpRequest]:
    """Return requests that only this dialect may claim."""
    return _v1() | _v3() | st.just(HttpRequest("OPTIONS", "/", b"", {}))

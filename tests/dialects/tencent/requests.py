"""Requests as Tencent Cloud's clients send them, for the test of the routing table."""

from urllib.parse import urlencode

from hypothesis import strategies as st

from otpconv.dialects.dialect import HttpRequest

_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
_ACTIONS = st.sampled_from(["ReportConversion", "SendSms", ""])
_METHODS = st.sampled_from(["GET", "POST"])
_FORM = {b"content-type": b"application/x-www-form-urlencoded"}


@st.composite
def _tc3(draw: st.DrawFn) -> HttpRequest:
    """TC3 has its action in a header, and may lack its signature."""
    fields = {b"x-tc-action": draw(_ACTIONS).encode(), b"x-tc-version": b"2021-01-11"}
    if draw(st.booleans()):
        fields[b"authorization"] = b"TC3-HMAC-SHA256 Credential=" + draw(_TEXT).encode()
    query = urlencode({"SerialNo": draw(_TEXT)}).encode()
    return HttpRequest(draw(_METHODS), "/", query, fields, draw(st.sampled_from([b"", b"{}"])))


@st.composite
def _parameters(draw: st.DrawFn) -> HttpRequest:
    """The older signatures have all in the query or in a form, and need not have a header of the SDKs."""
    names = draw(st.sets(st.sampled_from(["Nonce", "Timestamp", "Version", "Region", "SerialNo"])))
    parameters = (
        {"Action": draw(_ACTIONS)} | {name: draw(_TEXT) for name in names} | {"SecretId": draw(_TEXT)}
    )
    fields = {b"x-tc-traceid": b"1"} if draw(st.booleans()) else {}
    encoded = urlencode(dict(draw(st.permutations(list(parameters.items()))))).encode()
    if draw(st.booleans()):
        return HttpRequest("GET", "/", encoded, fields)
    return HttpRequest("POST", "/", b"", fields | _FORM, encoded)


def requests() -> st.SearchStrategy[HttpRequest]:
    """Return requests that only this dialect may claim."""
    return _tc3() | _parameters()

"""Requests as AWS's clients send them, for the test of the routing table."""

from hypothesis import strategies as st

from otpconv.dialects.dialect import HttpRequest

_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)


@st.composite
def requests(draw: st.DrawFn) -> HttpRequest:
    """Return requests that only this dialect may claim: signed for AWS, or unsigned with a target."""
    target = draw(st.sampled_from(["PutMessageFeedback", "SendTextMessage", "DescribePools"]))
    fields = {b"host": b"otp.example", b"x-amz-date": draw(_TEXT).encode()}
    if draw(st.booleans()):
        fields[b"authorization"] = b"AWS4-HMAC-SHA256 Credential=" + draw(_TEXT).encode()
        fields |= {b"x-tc-traceid": b"1"} if draw(st.booleans()) else {}
    fields[b"x-amz-target"] = b"PinpointSMSVoiceV2." + target.encode()
    body = draw(st.sampled_from([b"", b"{}", b'{"MessageId": "a&SecretId=b"}']))
    return HttpRequest(draw(st.sampled_from(["GET", "POST", "PUT"])), "/", b"", fields, body)

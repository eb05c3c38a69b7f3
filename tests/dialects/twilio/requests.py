"""Requests as Twilio's clients send them, for the test of the routing table."""

from hypothesis import strategies as st

from otpconv.dialects.dialect import HttpRequest

_ID = st.text("0123456789abcdef", min_size=32, max_size=32)
_PATHS = st.sampled_from(
    [
        ("POST", "/2010-04-01/Accounts/AC{0}/Messages/SM{0}/Feedback.json"),
        ("POST", "/2010-04-01/Accounts/AC{0}/Messages.json"),
        ("GET", "/2010-04-01/Accounts/AC{0}.json"),
        ("POST", "/v2/Services/VA{0}/Verifications/VE{0}"),
        ("POST", "/v2/Services/VA{0}/Verifications/+4915112345678"),
        ("POST", "/v2/Services/VA{0}/VerificationCheck"),
        ("GET", "/v2/Services"),
        ("GET", "/v2/Attempts"),
        ("GET", "/v2/Attempts/Summary"),
        ("GET", "/v2/Attempts/VL{0}"),
        ("DELETE", "/v2/SafeList/Numbers/+4915112345678"),
    ]
)


@st.composite
def _request(draw: st.DrawFn) -> HttpRequest:
    method, path = draw(_PATHS)
    fields = {
        b"authorization": b"Basic QUM6eA==",
        b"user-agent": b"twilio-python/9.13.0 (Linux x86_64) Python/3.11.9",
        b"x-twilio-client": b"python-9.13.0",
    }
    form = b"application/x-www-form-urlencoded"
    body = draw(st.sampled_from([b"", b"Outcome=confirmed", b"Status=approved"])) if method == "POST" else b""
    return HttpRequest(
        method, path.format(draw(_ID)), b"", fields | ({b"content-type": form} if body else {}), body
    )


def requests() -> st.SearchStrategy[HttpRequest]:
    """Return requests that only this dialect may claim."""
    return _request()

"""Requests as Vonage's clients send them, for the test of the routing table."""

from hypothesis import strategies as st

from otpconv.dialects.dialect import HttpRequest

_PATHS = st.one_of(
    st.sampled_from(["/conversions/sms", "/conversions/voice"]),
    st.from_regex("[!-.0-~]{1,40}", fullmatch=True).map("/conversions/{}".format),
)


def requests() -> st.SearchStrategy[HttpRequest]:
    """Return requests that only this dialect may claim."""
    methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    fields = st.just({b"authorization": b"Basic eDp5"})
    return st.builds(HttpRequest, methods, _PATHS, st.sampled_from([b"", b"Action=Conversion"]), fields)

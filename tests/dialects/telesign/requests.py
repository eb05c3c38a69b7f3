"""Requests as Telesign's clients send them, for the test of the routing table."""

from hypothesis import strategies as st

from otpconv.dialects.dialect import HttpRequest

_PATHS = st.one_of(
    st.just("/v1/verify/sms"),
    st.from_regex("[!-.0-~]{1,40}", fullmatch=True).map("/v1/verify/completion/{}".format),
    st.from_regex("[!-.0-~]{1,40}", fullmatch=True).map("/v1/verify/{}".format),
)


def requests() -> st.SearchStrategy[HttpRequest]:
    """Return requests that only this dialect may claim."""
    methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    fields = st.just({b"authorization": b"TSA x:y"})
    return st.builds(HttpRequest, methods, _PATHS, st.sampled_from([b"", b"Action=Conversion"]), fields)

"""Requests as Didit's clients send them, for the test of the routing table."""

from hypothesis import strategies as st

from otpconv.dialects.dialect import HttpRequest

_PATHS = st.one_of(
    st.just("/v3/messages/"),
    st.from_regex("[!-.0-~]{1,40}", fullmatch=True).map("/v3/messages/{}/feedback/".format),
)


def requests() -> st.SearchStrategy[HttpRequest]:
    """Return requests that only this dialect may claim."""
    methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    fields = st.just({b"authorization": b""})
    return st.builds(HttpRequest, methods, _PATHS, st.sampled_from([b"", b"Action=Conversion"]), fields)

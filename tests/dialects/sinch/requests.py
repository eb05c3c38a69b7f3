"""Requests as Sinch's clients send them, for the test of the routing table."""

from hypothesis import strategies as st

from otpconv.dialects.dialect import HttpRequest

_PATHS = st.one_of(
    st.just("/oauth2/token"),
    st.from_regex("[!-.0-~]{1,40}", fullmatch=True).map("/xms/v1/plan/batches/{}/delivery_feedback".format),
    st.from_regex("[!-.0-~]{1,40}", fullmatch=True).map("/xms/v1/{}/batches".format),
)


def requests() -> st.SearchStrategy[HttpRequest]:
    """Return requests that only this dialect may claim."""
    methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    fields = st.just({b"authorization": b"Bearer x:y"})
    return st.builds(HttpRequest, methods, _PATHS, st.sampled_from([b"", b"Action=Conversion"]), fields)

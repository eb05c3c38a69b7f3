"""`otpconv serve`: where it says it listens."""

import pytest

from otpconv.cli.serve import listening_url


@pytest.mark.parametrize(
    ("host", "secure", "url"),
    [
        ("127.0.0.1", False, "http://127.0.0.1:8080"),
        ("otp.example", True, "https://otp.example:8080"),
        ("::1", False, "http://[::1]:8080"),
    ],
)
def test_the_url_is_one_that_clients_take(host: str, secure: bool, url: str) -> None:  # noqa: FBT001
    assert listening_url(host, 8080, secure=secure) == url

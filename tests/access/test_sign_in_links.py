"""One-time links by themselves, with a clock that the tests set."""

import pytest

from otpconv.access.sealing import Sealer
from otpconv.access.sign_in_links import VALID_MS, SignInLinks
from otpconv.clock import iso_8601
from otpconv.errors import BadCredentials

NOW = 1_800_000_000_000
SEALER = Sealer(b"k" * 32)


def test_a_link_opens_for_an_hour_and_then_no_more() -> None:
    links = SignInLinks(SEALER)
    token = links.issue("LTAIx", NOW)
    link = links.open(token, NOW + VALID_MS - 1)
    assert (link.access_key_id, link.issued_at, link.until) == ("LTAIx", NOW, NOW + VALID_MS)
    with pytest.raises(BadCredentials, match=iso_8601(NOW + VALID_MS)):
        links.open(token, NOW + VALID_MS)


def test_two_links_of_a_key_have_different_names() -> None:
    links = SignInLinks(SEALER)
    assert len({links.open(links.issue("LTAIx", NOW), NOW).name for _ in range(2)}) == 2


def test_a_link_from_the_future_is_refused_because_a_clock_is_wrong() -> None:
    links = SignInLinks(SEALER)
    with pytest.raises(BadCredentials):
        links.open(links.issue("LTAIx", NOW + 2 * VALID_MS), NOW)


def test_another_sealing_key_makes_no_links_of_this_server() -> None:
    with pytest.raises(BadCredentials):
        SignInLinks(SEALER).open(SignInLinks(Sealer(b"o" * 32)).issue("LTAIx", NOW), NOW)


@pytest.mark.parametrize("token", ["", "guess", "é", "\ud800", "A" * 100_000])
def test_what_is_no_links_token_signs_nobody_in(token: str) -> None:
    with pytest.raises(BadCredentials):
        SignInLinks(SEALER).open(token, NOW)

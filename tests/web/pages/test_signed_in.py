"""Sign-ins and one-time links by themselves, with a clock that the tests set."""

import pytest

from otpconv.access.sealing import Sealer
from otpconv.clock import iso_8601
from otpconv.errors import BadCredentials
from otpconv.web.pages.sign_in.links import VALID_MS, OneTimeLinks
from otpconv.web.pages.signed_in import IDLE_MS, LONGEST_MS, SignIns

NOW = 1_800_000_000_000


@pytest.fixture
def sign_ins() -> SignIns:
    return SignIns(Sealer(b"k" * 32))


def test_a_cookie_opens_to_what_was_sealed(sign_ins: SignIns) -> None:
    started = sign_ins.start("LTAIx", NOW)
    assert sign_ins.open(sign_ins.seal(started), NOW + 1) == started
    assert sign_ins.open(sign_ins.seal(started), NOW - 60_001) is None  # of a clock that was wrong
    assert started.form_token not in repr(started)


def test_a_sign_in_that_is_not_used_ends(sign_ins: SignIns) -> None:
    cookie = sign_ins.seal(sign_ins.start("LTAIx", NOW))
    assert sign_ins.open(cookie, NOW + IDLE_MS - 1) is not None
    assert sign_ins.open(cookie, NOW + IDLE_MS) is None


def test_a_sign_in_that_is_used_goes_on_for_a_week(sign_ins: SignIns) -> None:
    now, signed_in = NOW, sign_ins.start("LTAIx", NOW)
    while now < NOW + LONGEST_MS - IDLE_MS:
        now += IDLE_MS - 1
        renewed = sign_ins.renewed(signed_in, now)
        assert renewed is not None
        signed_in = renewed
        assert sign_ins.open(sign_ins.seal(signed_in), now) == signed_in
    assert sign_ins.open(sign_ins.seal(signed_in), NOW + LONGEST_MS) is None


def test_a_young_cookie_is_not_renewed(sign_ins: SignIns) -> None:
    assert sign_ins.renewed(sign_ins.start("LTAIx", NOW), NOW + 1000) is None


def test_a_cookie_that_is_too_long_to_be_ours_is_not_decoded(sign_ins: SignIns) -> None:
    signed_in = sign_ins.start("k" * 128, 0)
    cookie = sign_ins.seal(signed_in)
    assert sign_ins.open(cookie, 0) == signed_in
    # Padding decodes to the same bytes, so that only the length can be the reason.
    assert sign_ins.open(cookie + "=" * 100, 0) == signed_in
    assert sign_ins.open(cookie + "=" * 1_024, 0) is None


def test_another_sealing_key_opens_nothing(sign_ins: SignIns) -> None:
    cookie = SignIns(Sealer(b"o" * 32)).seal(sign_ins.start("LTAIx", NOW))
    assert sign_ins.open(cookie, NOW) is None


def test_a_link_that_is_too_old_is_refused_with_the_servers_time() -> None:
    links = OneTimeLinks()
    token = links.issue("LTAIx", NOW)
    with pytest.raises(BadCredentials, match=iso_8601(NOW + VALID_MS)):
        links.redeem(token, NOW + VALID_MS)


def test_a_link_is_good_once() -> None:
    links = OneTimeLinks()
    token = links.issue("LTAIx", NOW)
    assert links.redeem(token, NOW + VALID_MS - 1) == ("LTAIx", NOW)
    with pytest.raises(BadCredentials):
        links.redeem(token, NOW + 1)


@pytest.mark.parametrize("token", ["", "guess", "é", "\ud800"])
def test_what_is_no_links_token_signs_nobody_in(token: str) -> None:
    links = OneTimeLinks()
    links.issue("LTAIx", NOW)
    with pytest.raises(BadCredentials):
        links.redeem(token, NOW)


def test_a_link_is_good_for_an_hour() -> None:
    links = OneTimeLinks()
    token = links.issue("LTAIx", NOW)
    with pytest.raises(BadCredentials):
        links.redeem(token, NOW + VALID_MS)

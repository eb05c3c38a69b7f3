"""Sign-ins by themselves, with a clock that the tests set."""

import pytest

from otpconv.access.sealing import Sealer
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

import base64
import io
import string

import pytest
from hypothesis import given, strategies as st

from otpconv.access.sealing import Sealer
from otpconv.access.sts.tokens import (
    ID_PREFIX,
    Session,
    TemporaryCredentials,
    assumed_role_arn,
    issue,
    open_token,
    role_arn,
)
from otpconv.clock import iso_8601
from otpconv.errors import BadCredentials, ExpiredToken, InvalidRequest, MalformedToken, MismatchedToken

SEALER = Sealer(bytes(range(32)))
NOW = 1_700_000_000_123
HOUR_MS = 3_600_000
TOKEN_CHARS = string.ascii_letters + string.digits + "-_"
POLICY = '{"Version":"1","Statement":[{"Effect":"Allow","Action":"dysms:SmsConversion","Resource":"*"}]}'

session_names = st.text(string.ascii_letters + string.digits + ".@-_", min_size=2, max_size=64)


def issued(
    *,
    sealer: Sealer = SEALER,
    session_name: str = "alice",
    session_policy: str = "",
    duration_s: int = 3_600,
    max_duration_s: int = 3_600,
    now: int = NOW,
) -> TemporaryCredentials:
    return issue(
        sealer,
        account=7,
        role="reporter",
        session_name=session_name,
        session_policy=session_policy,
        duration_s=duration_s,
        max_duration_s=max_duration_s,
        now=now,
    )


ISSUED = issued()


def opened(token: str, now: int = NOW) -> Session:
    return open_token(SEALER, token, ISSUED.access_key_id, now)


def test_a_token_opens_to_the_session_it_was_issued_for() -> None:
    credentials = issued(session_policy=POLICY)
    assert open_token(SEALER, credentials.security_token, credentials.access_key_id, NOW) == Session(
        access_key_id=credentials.access_key_id,
        secret=credentials.secret,
        account=7,
        role="reporter",
        session_name="alice",
        session_policy=POLICY,
        issued_at=NOW,
        expires_at=1_700_003_600_000,
    )


def test_credentials_have_the_vendors_form_and_are_never_the_same_twice() -> None:
    many = [issued() for _ in range(50)]
    assert all(each.access_key_id.startswith(ID_PREFIX) for each in many)
    assert all(each.access_key_id.removeprefix(ID_PREFIX).isalnum() for each in many)
    assert {(len(each.access_key_id), len(each.secret)) for each in many} == {(28, 30)}
    for values in zip(
        *((each.access_key_id, each.secret, each.security_token) for each in many), strict=True
    ):
        assert len(set(values)) == 50


def test_any_node_with_the_same_sealing_key_opens_a_token_and_no_other_does() -> None:
    assert (
        open_token(Sealer(bytes(range(32))), ISSUED.security_token, ISSUED.access_key_id, NOW).role
        == "reporter"
    )
    with pytest.raises(MalformedToken, match="assume the role again"):
        open_token(Sealer(bytes(32)), ISSUED.security_token, ISSUED.access_key_id, NOW)


def test_a_token_is_good_until_the_second_it_expires_at() -> None:
    assert opened(ISSUED.security_token, ISSUED.expires_at - 1).expires_at == ISSUED.expires_at
    for now in (ISSUED.expires_at, ISSUED.expires_at + HOUR_MS):
        with pytest.raises(ExpiredToken, match="assume the role again") as refused:
            opened(ISSUED.security_token, now)
        assert f"expired at {iso_8601(ISSUED.expires_at)}" in refused.value.text
        assert iso_8601(now) in refused.value.text
    assert opened(ISSUED.security_token, NOW - HOUR_MS).issued_at == NOW


def test_a_token_goes_with_its_own_access_key_id_alone() -> None:
    other = issued()
    for access_key_id in (other.access_key_id, ISSUED.access_key_id.upper(), "LTAIx", ""):
        with pytest.raises(MismatchedToken, match="another AccessKeyId"):
            open_token(SEALER, ISSUED.security_token, access_key_id, ISSUED.expires_at)


def test_the_three_refusals_are_told_apart_and_are_bad_credentials() -> None:
    codes = [error.code for error in (MalformedToken, ExpiredToken, MismatchedToken)]
    assert codes == ["MalformedToken", "ExpiredToken", "MismatchedToken"]
    assert all(issubclass(error, BadCredentials) for error in (MalformedToken, ExpiredToken, MismatchedToken))


def test_opening_a_token_again_gives_the_very_same_session() -> None:
    again = "".join(list(ISSUED.security_token))
    assert opened(again) is opened(ISSUED.security_token)


def test_tokens_open_long_after_others_crowded_them_out_of_memory() -> None:
    for _ in range(2_000):
        other = issued()
        open_token(SEALER, other.security_token, other.access_key_id, NOW)
    assert opened(ISSUED.security_token).role == "reporter"


def test_the_secret_and_the_token_do_not_show() -> None:
    session = opened(ISSUED.security_token)
    out = io.StringIO()
    print(session, [session], ISSUED, [ISSUED], file=out)
    shown = f"{out.getvalue()} {session.__rich_repr__()} {ISSUED.__rich_repr__()}"
    assert ISSUED.secret not in shown
    assert ISSUED.security_token not in shown
    assert ISSUED.access_key_id in shown
    assert session.arn in shown


def test_a_token_reveals_nothing_it_holds() -> None:
    raw = base64.urlsafe_b64decode(ISSUED.security_token + "=" * (-len(ISSUED.security_token) % 4))
    for held in (ISSUED.secret, ISSUED.access_key_id, "reporter", "alice", "OtpconvReportOnly"):
        assert held.encode() not in raw


def test_tokens_are_short_and_need_no_escaping() -> None:
    assert set(ISSUED.security_token) <= set(TOKEN_CHARS)
    assert len(ISSUED.security_token) < 256
    longest = issued(session_name="s" * 64, session_policy="x" * 2_048).security_token
    assert 2_048 < len(longest) < 3_200


def test_what_is_sealed_for_something_else_is_no_token() -> None:
    sealed = SEALER.seal(b"secret", b"access key STS.x")
    token = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
    with pytest.raises(MalformedToken):
        opened(token)


@pytest.mark.parametrize("plain", [b"", b"\xc1", b"\x93\x01\x02\x03", b"not msgpack at all"])
def test_a_token_that_holds_something_else_is_malformed(plain: bytes) -> None:
    token = base64.urlsafe_b64encode(SEALER.seal(plain, b"security token")).rstrip(b"=").decode()
    with pytest.raises(MalformedToken):
        opened(token)


def test_the_error_does_not_repeat_the_token() -> None:
    with pytest.raises(MalformedToken) as refusal:
        opened("AQsomethingElse")
    assert "AQsomethingElse" not in refusal.value.text


@given(session_names, st.text(max_size=2_048), st.integers(900, 43_200), st.integers(0, 2**45))
def test_every_session_comes_back_as_it_went_in(name: str, policy: str, duration_s: int, now: int) -> None:
    credentials = issued(
        session_name=name, session_policy=policy, duration_s=duration_s, max_duration_s=43_200, now=now
    )
    session = open_token(SEALER, credentials.security_token, credentials.access_key_id, now)
    assert (session.session_name, session.session_policy, session.issued_at) == (name, policy, now)
    assert 0 <= now + duration_s * 1_000 - session.expires_at < 1_000
    assert (session.secret, session.expires_at) == (credentials.secret, credentials.expires_at)


@given(st.integers(0, len(ISSUED.security_token) - 1), st.characters())
def test_no_character_can_be_another(index: int, char: str) -> None:
    token = ISSUED.security_token
    if char != token[index]:
        with pytest.raises(MalformedToken):
            opened(token[:index] + char + token[index + 1 :])


@pytest.mark.parametrize("length", range(1, 5))
def test_of_every_length_the_last_character_can_be_no_other(length: int) -> None:
    # Base64 has bits to spare in the last character of two lengths in three.
    credentials = issued(session_name="s" * (length + 1))
    token = credentials.security_token
    for char in set(TOKEN_CHARS) - {token[-1]}:
        with pytest.raises(MalformedToken):
            open_token(SEALER, token[:-1] + char, credentials.access_key_id, NOW)


@given(st.data())
def test_nothing_can_be_cut_out_or_put_in(data: st.DataObject) -> None:
    token = ISSUED.security_token
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, len(token)))
    inserted = data.draw(st.text(TOKEN_CHARS + "= \n%+/", max_size=5))
    changed = token[:start] + inserted + token[end:]
    if changed != token:
        with pytest.raises(MalformedToken):
            opened(changed)


@given(st.text(st.characters(exclude_categories=())) | st.text(TOKEN_CHARS), st.text(), st.integers())
def test_no_text_brings_anything_but_the_three_refusals(token: str, access_key_id: str, now: int) -> None:
    with pytest.raises((MalformedToken, MismatchedToken, ExpiredToken)):
        open_token(SEALER, token, access_key_id, now)


@given(st.binary(max_size=300))
def test_no_bytes_bring_anything_but_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedToken):
        opened(base64.urlsafe_b64encode(b"\x01" + raw).rstrip(b"=").decode())


@pytest.mark.parametrize("duration_s", [900, 3_600])
def test_a_session_lasts_from_a_quarter_of_an_hour_to_what_the_role_allows(duration_s: int) -> None:
    assert issued(duration_s=duration_s).expires_at == (NOW // 1_000 + duration_s) * 1_000


@pytest.mark.parametrize(
    ("duration_s", "max_duration_s"),
    [(899, 3_600), (0, 3_600), (-1, 3_600), (3_601, 3_600), (43_201, 43_200), (43_201, 10**9)],
)
def test_another_duration_is_refused_with_the_bounds(duration_s: int, max_duration_s: int) -> None:
    with pytest.raises(InvalidRequest, match=f"900 to {min(max_duration_s, 43_200)} seconds"):
        issued(duration_s=duration_s, max_duration_s=max_duration_s)


def test_a_role_may_allow_twelve_hours() -> None:
    assert issued(duration_s=43_200, max_duration_s=43_200).expires_at > NOW + 11 * HOUR_MS


@pytest.mark.parametrize("name", ["ab", "x" * 64, "A.b@c-d_9"])
def test_names_of_sessions_in_the_allowed_characters_are_taken(name: str) -> None:
    credentials = issued(session_name=name)
    session = open_token(SEALER, credentials.security_token, credentials.access_key_id, NOW)
    assert session.session_name == name


@pytest.mark.parametrize("name", ["", "a", "x" * 65, "a b", "ab\n", "a/b", "a:b", "ää", "a+b"])
def test_other_names_of_sessions_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="2 to 64"):
        issued(session_name=name)


@pytest.mark.parametrize("policy", ["x" * 2_049, "\ud800"])
def test_a_session_policy_that_is_too_long_or_no_text_is_refused(policy: str) -> None:
    with pytest.raises(InvalidRequest, match="2048"):
        issued(session_policy=policy)


def test_roles_and_those_who_assumed_them_have_arns() -> None:
    assert assumed_role_arn(7, "reporter", "alice") == "acs:sts::7:assumed-role/reporter/alice"
    assert role_arn(7, "reporter") == "acs:ram::7:role/reporter"
    assert opened(ISSUED.security_token).arn == "acs:sts::7:assumed-role/reporter/alice"

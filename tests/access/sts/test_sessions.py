"""Sessions of roles: handed out to those who may, and following the role from then on."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from otpconv.access.authorize import authorize
from otpconv.access.keys import AccessKey, KeyRing
from otpconv.access.sealing import Sealer
from otpconv.access.sts.sessions import Sessions
from otpconv.access.sts.tokens import TemporaryCredentials, issue
from otpconv.errors import AccessDenied, ExpiredToken, MalformedToken
from otpconv.storage.sqlite.access import SqliteAccessStore

NOW = 1_700_000_000_000
SEALER = Sealer(bytes(range(32)))
ONLY_DATA = (
    '{"Version": "1", "Statement": {"Effect": "Allow", "Action": "dysms:ConversionData", "Resource": "*"}}'
)


class Desk:
    """A store with one administrator and one role, and the sessions of its key ring."""

    def __init__(self, path: Path) -> None:
        self.time = NOW
        self.store = SqliteAccessStore(path, lambda: self.time).keys(SEALER)
        self.directory = SqliteAccessStore(path, lambda: self.time).directory()
        self.admin = self.store.create("default", "admin", "AdministratorAccess")
        self.make_role()
        self.keys = KeyRing(self.store)
        self.sessions = Sessions(SEALER, self.keys)

    def make_role(self) -> None:
        self.directory.create_role("default", "reporter", 3_600)
        self.directory.attach("role", "default", "reporter", "OtpconvReportOnly")

    def assume(self, policy: str = "") -> TemporaryCredentials:
        return self.sessions.assume(
            self.keys.role(self.admin.account, "Reporter"),
            session_name="alice",
            policy=policy,
            duration_s=None,
            now=self.time,
        )

    def open(self, credentials: TemporaryCredentials) -> AccessKey:
        return self.sessions.open(credentials.security_token, credentials.access_key_id, self.time)

    def close(self) -> None:
        self.directory.close()
        self.store.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(Desk(tmp_path / "access.sqlite")) as opened:
        yield opened


def may(key: AccessKey, action: str) -> bool:
    try:
        authorize(key, action, dict)
    except AccessDenied:
        return False
    return True


def test_a_session_may_what_its_role_may(desk: Desk) -> None:
    credentials = desk.assume()
    key = desk.open(credentials)
    assert (key.principal_type, key.display_name) == ("AssumedRoleUser", "reporter:alice")
    assert (key.secret, key.account) == (credentials.secret, desk.admin.account)
    assert may(key, "dysms:SmsConversion")
    assert not may(key, "otpconv:QueryRates")
    assert desk.open(credentials) is key  # the decision is cached


def test_a_session_policy_takes_away_and_never_adds(desk: Desk) -> None:
    key = desk.open(desk.assume(policy=ONLY_DATA))
    assert may(key, "dysms:ConversionData")
    assert not may(key, "dysms:SmsConversion")
    desk.directory.detach("role", "default", "reporter", "OtpconvReportOnly")
    desk.keys.refresh()
    assert not may(desk.open(desk.assume(policy=ONLY_DATA)), "dysms:ConversionData")


def test_what_a_role_is_given_or_loses_its_sessions_have_at_once(desk: Desk) -> None:
    credentials = desk.assume()
    assert not may(desk.open(credentials), "otpconv:QueryRates")
    desk.directory.attach("role", "default", "reporter", "OtpconvReadOnly")
    desk.keys.refresh()
    assert may(desk.open(credentials), "otpconv:QueryRates")


def test_a_role_of_the_same_name_made_later_is_another_one(desk: Desk) -> None:
    credentials = desk.assume()
    desk.directory.delete("role", "default", "reporter")
    desk.keys.refresh()
    with pytest.raises(MalformedToken, match="there no more"):
        desk.open(credentials)
    desk.time += 1
    desk.make_role()
    desk.keys.refresh()
    with pytest.raises(MalformedToken, match="there no more"):
        desk.open(credentials)


def test_a_role_made_by_a_clock_that_was_ahead_can_be_assumed_and_used(desk: Desk) -> None:
    desk.directory.delete("role", "default", "reporter")
    desk.time += 86_400_000
    desk.make_role()
    desk.keys.refresh()
    ahead = desk.open(desk.assume())
    desk.time -= 86_400_000
    credentials = desk.assume()
    assert may(desk.open(credentials), "dysms:SmsConversion")
    # And one of the same name that is made then, by the right clock, is another one.
    desk.directory.delete("role", "default", "reporter")
    desk.make_role()
    desk.keys.refresh()
    with pytest.raises(MalformedToken, match="there no more"):
        desk.open(credentials)
    assert may(ahead, "dysms:SmsConversion")  # what it was opened to before


def test_a_token_of_an_older_version_is_good_until_it_expires(desk: Desk) -> None:
    old = issue(SEALER, account=1, role="reporter", session_name="alice", now=desk.time)
    assert may(desk.open(old), "dysms:SmsConversion")


def test_a_session_ends(desk: Desk) -> None:
    credentials = desk.assume()
    desk.time += 3_600_000
    with pytest.raises(ExpiredToken):
        desk.open(credentials)


def test_rates_know_a_role_by_its_name_and_a_user_by_the_access_key(desk: Desk) -> None:
    sessions = [desk.open(desk.assume()) for _ in range(2)]
    assert sessions[0].access_key_id != sessions[1].access_key_id
    assert [session.dimension for session in sessions] == ["role/reporter"] * 2
    assert desk.admin.dimension == desk.admin.access_key_id

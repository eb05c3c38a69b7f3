"""Sign-ins that were ended: they stay so, whatever comes in between, and no others do."""

from contextlib import closing

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from otpconv.access.keys import AccessKey, KeyRing
from otpconv.access.sealing import Sealer
from otpconv.access.sign_outs import MOST_A_KEY, SignOuts, SignOutStore
from otpconv.errors import Unavailable
from storage.engines import Access, Engine, sqlite_first

SEALER = Sealer(bytes(range(32)))
NOW = 1_800_000_000_000
WEEK_MS = 7 * 86_400_000
BOTH = pytest.mark.parametrize("kind", ["key", "person"])


class Desk:
    """A store whose time the tests set, and what a server holds of it."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.time = NOW
        self.store = access.open(lambda: self.time).keys(SEALER)
        self.restart()

    def restart(self) -> None:
        self.ring = KeyRing(self.store)
        self.sign_outs = SignOuts(self.access.open(lambda: NOW).sign_outs(), lambda: self.time)

    def key(self, key: AccessKey) -> AccessKey:
        self.ring.refresh()
        return self.ring.visitor(key.access_key_id)

    def holder(self, kind: str, name: str) -> AccessKey:
        """Return a new access key, or a new user who signs in without one."""
        if kind == "key":
            return self.store.create("default", name, None)
        with closing(self.access.open(lambda: NOW - 1).directory()) as directory:
            directory.create_user("default", name)
        self.ring.refresh()
        person = self.ring.person("default", name)
        assert person is not None
        return person

    def delete(self, holder: AccessKey) -> None:
        if holder.signs:
            self.store.delete(holder.access_key_id)
        else:
            with closing(self.access.open(lambda: self.time).directory()) as directory:
                directory.delete("user", "default", holder.user)

    def over(self, key: AccessKey, name: str, since: int = NOW) -> bool:
        return self.sign_outs.holds(self.key(key), name, since)

    def stored(self) -> int:
        both = "SELECT (SELECT count(*) FROM sign_outs) + (SELECT count(*) FROM user_sign_outs)"
        return self.access.run(both) or 0


@pytest.fixture
def desk(access: Access) -> Desk:
    return Desk(access)


@BOTH
def test_a_sign_in_that_was_ended_stays_ended_and_no_other_is(desk: Desk, kind: str) -> None:
    key, other = (desk.holder(kind, name) for name in ("olga", "ivan"))
    desk.sign_outs.add(key, "one", NOW + WEEK_MS)
    for _ in range(2):
        assert desk.over(key, "one")
        assert not desk.over(key, "two")
        assert not desk.over(other, "one")
        desk.restart()


def test_disabling_a_key_ends_its_sign_ins_for_good(desk: Desk) -> None:
    key = desk.store.create("default", "olga", None)
    desk.time += 5
    desk.store.set_active(key.access_key_id, active=False)
    desk.time += 5
    desk.store.set_active(key.access_key_id, active=True)
    for _ in range(2):
        assert desk.over(key, "before")
        assert desk.over(key, "at", NOW + 5)
        assert not desk.over(key, "after", NOW + 6)
        desk.restart()


@BOTH
def test_what_would_be_over_by_itself_is_forgotten(desk: Desk, kind: str) -> None:
    key = desk.holder(kind, "olga")
    desk.sign_outs.add(key, "old", NOW + 10)
    desk.time += 10
    desk.sign_outs.add(key, "new", NOW + WEEK_MS)
    assert desk.stored() == 1
    assert desk.over(key, "new")


@BOTH
def test_what_is_over_can_be_ended_once(desk: Desk, kind: str) -> None:
    key = desk.holder(kind, "olga")
    assert desk.sign_outs.add(key, "link", NOW + WEEK_MS)
    for _ in range(2):
        assert not desk.sign_outs.add(key, "link", NOW + WEEK_MS)
        desk.restart()


@BOTH
def test_the_sign_outs_of_a_deleted_key_go_with_it(desk: Desk, kind: str) -> None:
    key = desk.holder(kind, "olga")
    desk.sign_outs.add(key, "one", NOW + WEEK_MS)
    desk.delete(key)
    assert desk.stored() == 0
    desk.sign_outs.add(key, "two", NOW + WEEK_MS)
    assert desk.stored() == 0


@BOTH
def test_the_sign_outs_of_another_node_are_seen_after_a_refresh(desk: Desk, kind: str) -> None:
    key = desk.holder(kind, "olga")
    other = SignOuts(desk.access.open(lambda: NOW).sign_outs(), lambda: desk.time)
    other.refresh(1)
    desk.sign_outs.add(key, "one", NOW + WEEK_MS)
    other.refresh(1)  # nothing has changed, as far as it is known
    assert not other.holds(key, "one", NOW)
    other.refresh(2)
    assert other.holds(key, "one", NOW)
    assert not other.holds(key, "two", NOW)


def test_a_sign_out_that_was_not_stored_outlives_a_refresh(desk: Desk) -> None:
    key = desk.holder("key", "olga")
    store = Refusing(desk.access.open(lambda: NOW).sign_outs())
    sign_outs = SignOuts(store, lambda: desk.time)
    with pytest.raises(Unavailable):
        sign_outs.add(key, "one", NOW + WEEK_MS)
    desk.sign_outs.add(key, "two", NOW + WEEK_MS)
    sign_outs.refresh(1)
    assert sign_outs.holds(key, "one", NOW)
    assert sign_outs.holds(key, "two", NOW)


class Refusing:
    """A store whose disk is full."""

    def __init__(self, store: SignOutStore) -> None:
        self.load = store.load

    def add(self, access_key_id: str, sign_in: bytes, until: int, now: int) -> bool:
        del access_key_id, sign_in, until, now
        raise Unavailable("The disk is full.")


@BOTH
@sqlite_first
def test_more_sign_outs_than_are_kept_end_every_sign_in_of_the_key(desk: Desk, kind: str) -> None:
    key, other = (desk.holder(kind, name) for name in ("olga", "ivan"))
    desk.sign_outs.add(other, "theirs", NOW + WEEK_MS)
    for number in range(MOST_A_KEY + 1):
        desk.sign_outs.add(key, str(number), NOW + WEEK_MS)
    assert desk.stored() == 1
    for _ in range(2):
        assert all(desk.over(key, str(number)) for number in range(MOST_A_KEY + 1))
        assert desk.over(key, "never signed out")
        assert not desk.over(key, "later", NOW + 1)
        assert desk.over(other, "theirs")
        assert not desk.over(other, "another")
        desk.restart()


@settings(max_examples=rounds(30), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["end", "disable", "restart", "later", "start"]),
            st.integers(0, 1),
            st.integers(0, 9),
        ),
        max_size=30,
    )
)
def test_whatever_happens_in_between_what_ended_never_comes_back(
    engine: Engine, steps: list[tuple[str, int, int]]
) -> None:
    with engine.access() as access:
        walk(Desk(access), steps)


def walk(desk: Desk, steps: list[tuple[str, int, int]]) -> None:
    keys = [desk.store.create("default", name, None) for name in ("olga", "ivan")]
    began: dict[tuple[int, str], int] = {}
    ended: set[tuple[int, str]] = set()
    for what, which, name in steps:
        key = keys[which]
        if what == "start":
            began.setdefault((which, str(name)), desk.time)
        elif what == "end" and (which, str(name)) in began:
            desk.sign_outs.add(key, str(name), began[which, str(name)] + WEEK_MS)
            ended.add((which, str(name)))
        elif what == "disable":
            desk.store.set_active(key.access_key_id, active=False)
            desk.store.set_active(key.access_key_id, active=True)
            ended |= {one for one in began if one[0] == which}
        elif what == "restart":
            desk.restart()
        desk.time += 1
        for one, since in began.items():
            assert desk.over(keys[one[0]], one[1], since) is (one in ended)

"""Targets that fail: they are tried again, given up in the end, and hold up no other."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from threading import Thread

import pytest

from faults.bad_server import hang, http, saying
from notifications.found import ACCOUNT, MINUTE, NOW, Detectors, found, target
from notifications.receivers import SIGNING_SECRET, Hook
from otpconv.access.alert_targets import AlertTarget, Quiet, Rules
from otpconv.notifications import calling
from otpconv.notifications.notifier import Notifier
from otpconv.notifications.sender import LONGEST_PAUSE_MS, Sender
from otpconv.notifications.webhook import WebhookWire
from otpconv.storage.notifications.contract import KEPT_MS
from storage.engines import Notifying, SqliteEngine

pytestmark = pytest.mark.parametrize("engine", [SqliteEngine], indirect=True, scope="session")


def hooked(hook: Hook, number: int = 1, **fields: object) -> AlertTarget:
    settings = {"endpoint": hook.url}
    return target(number, settings=settings, secrets={"signing_secret": SIGNING_SECRET}, **fields)


@contextmanager
def running(notifier: Notifier) -> Iterator[None]:
    thread = Thread(target=notifier.run)
    thread.start()
    yield
    notifier.stop()
    thread.join()


def eventually(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_target_that_hangs_holds_up_no_other(
    notifying: Callable[[], Notifying], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "DEADLINE_MS", 500)
    opened = notifying()
    with Hook() as hangs, Hook() as works:
        hangs.answer = hang
        targets = [hooked(hangs), hooked(works, 2)]
        Detectors(opened.alerts).record(NOW + MINUTE, found())
        with running(Notifier(opened.alerts, opened.store, lambda: targets, lambda: NOW + MINUTE)):
            eventually(works.bodies)
            eventually(lambda: opened.store.contacts().keys() == {1, 2})
            assert opened.store.contacts()[1].error == "no answer in time"
            targets.pop(0)
            eventually(lambda: opened.store.contacts().keys() == {2})
        assert opened.store.waiting() == {}


def test_what_fails_is_sent_again_with_its_id_later_and_later_and_given_up_after_days(
    notifying: Callable[[], Notifying],
) -> None:
    alerts, store = opened = notifying()
    now = NOW + MINUTE
    Detectors(alerts).record(now, found())

    def clock() -> int:
        return now

    with Hook() as hook:
        hook.answer = saying(http(503, {}))
        of = hooked(hook)
        notifier = Notifier(alerts, store, lambda: [of], lambda: now)
        assert not notifier.plan([of])
        times: list[int] = []
        while opened.store.waiting():
            # Another sender each time: a breaker, which goes by a steady clock, would pause.
            Sender(of, WebhookWire(of, None), alerts, store, clock).run()
            times.append(now)
            while store.waiting() and not store.due(now):
                now += 1_000 if len(times) < 12 else MINUTE
        pauses = [after - before for before, after in pairwise(times)]
        assert pauses[:4] == [1_000, 2_000, 4_000, 8_000]
        assert max(pauses) <= LONGEST_PAUSE_MS + MINUTE
        assert times[-1] - times[0] >= KEPT_MS
        assert len(hook.keys()) == 1
        contact = store.contacts()[1]
        assert (contact.dead, contact.failing_since, contact.error) == (1, times[0], "it answered HTTP 503")
        hook.answer = saying(http(200, {}))
        assert store.retry(1, now) == 1
        Sender(of, WebhookWire(of, None), alerts, store, clock).run()
        assert len(hook.keys()) == 1
        assert (store.contacts()[1].sent, store.contacts()[1].failing_since) == (1, None)


def test_what_fails_before_quiet_hours_is_sent_after_them(notifying: Callable[[], Notifying]) -> None:
    alerts, store = notifying()
    now = NOW + MINUTE  # 0:01 UTC
    Detectors(alerts).record(now, found(), found("volume", severity="critical"))
    with Hook() as hook:
        hook.answer = saying(http(500, {}))
        of = hooked(hook, rules=Rules(quiet=Quiet("00:02", "06:00")))
        Notifier(alerts, store, lambda: [of], lambda: now).plan([of])
        now += MINUTE - 500
        for _ in range(2):
            Sender(of, WebhookWire(of, None), alerts, store, lambda: now).run()
    assert store.due(now + MINUTE) == [1]
    (critical,) = [store.claim(1, now + MINUTE)]
    assert critical is not None
    assert [alerts.alert(ACCOUNT, told.alert).found.severity for told in critical.news] == ["critical"]  # type: ignore[union-attr]
    store.sent(1, critical.id, now)
    assert store.due(NOW + 6 * 60 * MINUTE - 1) == []
    assert store.due(NOW + 6 * 60 * MINUTE) == [1]

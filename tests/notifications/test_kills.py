"""Kills of the process that notifies lose nothing, and repeat only what they kept from being recorded."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

from notifications.found import ACCOUNT, Detectors, found
from notifications.notifying_process import SEALER
from notifications.receivers import SIGNING_SECRET, Hook, Mail, alertmanager, firing
from otpconv.access.alert_targets import NewAlertTarget, Rules
from otpconv.clock import wall_clock
from otpconv.service.engines import SqliteEngine
from otpconv.storage.alerts.contract import LASTING, Change, Ended

_PROCESS = Path(__file__).with_name("notifying_process.py")
_PATIENCE_S = 60
#: So long after a kill, its last request is accepted.
_ON_ITS_WAY_S = 0.1


class World:
    """A folder with alerts and targets, and a process that notifies of them.

    Attributes:
        between: how often each notification was sent when a kill kept that from being recorded.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.engine = SqliteEngine(folder)
        self.alerts = self.engine.alerts()
        self.detectors = Detectors(self.alerts)
        self.between: Counter[str] = Counter()
        self._names = 0
        self._lasting: list[Change] = []

    def target(self, name: str, kind: str, settings: dict[str, str], secrets: dict[str, str]) -> None:
        rules = Rules() if kind == "webhook" else Rules(group="account")
        with closing(self.engine.access(wall_clock).alert_targets(SEALER)) as targets:
            targets.create(ACCOUNT, NewAlertTarget(name, kind, settings, secrets, rules))  # type: ignore[arg-type]

    def happen(self) -> None:
        """Open three alerts, and resolve an older one."""
        ended = [Ended(each.kind, each.values) for each in self._lasting[:1]]
        del self._lasting[:1]
        opened = []
        for _ in range(3):
            self._names += 1
            opened.append(found(values=(("provider", f"provider-{self._names}"),), since=wall_clock()))
        self._lasting += opened
        self.detectors.record(wall_clock(), *ended, *opened)

    @contextmanager
    def notifying(self) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen([sys.executable, _PROCESS, self.folder], start_new_session=True)  # noqa: S603
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            _wait_for(lambda: not _lives(process.pid))  # a mail may still be on its way

    def last(self) -> int:
        """Return the number of the newest event."""
        return self.alerts.events(0, 10_000)[-1].seq

    def waiting(self, *, begun: bool = False) -> Counter[str]:
        """Return the notifications that wait; only those that were about to be sent, if `begun`."""
        with closing(apsw.Connection(str(self.folder / "alerts.sqlite"))) as connection:
            query = f"SELECT notification_key FROM notifications WHERE attempts > {-1 + begun}"  # noqa: S608
            return Counter(key for (key,) in connection.execute(query))


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_for(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _kill_again_and_again(
    world: World, kills: int, longest_s: float, keys: Callable[[], Counter[str]], hook: Hook
) -> None:
    """Kill the process at any time, and note which notifications were on their way."""
    for _ in range(kills):
        before = keys()
        with world.notifying():
            world.happen()
            time.sleep(world.chance.uniform(0.4, longest_s))
        time.sleep(_ON_ITS_WAY_S)
        _wait_for(lambda: hook.is_idle)
        arrived = keys() - before  # not what an earlier process sent: a busy machine may have begun nothing
        world.between.update(key for key in world.waiting(begun=True) if key in arrived)
    with world.notifying():
        _wait_for(lambda: not world.waiting() and world.engine.notifications().cursor().seq >= world.last())


def _require_exact(world: World, keys: Counter[str], *, news: int) -> None:
    assert len(keys) == news, "something was lost"
    repeats = {key: count - 1 for key, count in keys.items() if count > 1}
    assert repeats == {key: count for key, count in world.between.items() if key in keys}


def _news(world: World) -> int:
    """Return how many events a target without rules is to know."""
    return len(world.alerts.events(0, 10_000))


@pytest.mark.rounds
def test_kills_lose_no_webhook_and_repeat_what_was_not_recorded(tmp_path: Path) -> None:
    with Hook(0.05) as hook:
        world = World(tmp_path, 1)
        world.target("own", "webhook", {"endpoint": f"{hook.url}/x"}, {"signing_secret": SIGNING_SECRET})
        _kill_again_and_again(world, 2, 0.8, hook.keys, hook)
        _require_exact(world, hook.keys(), news=_news(world))
        world.alerts.close()


@pytest.mark.campaign("the same at three receivers, over 20 kills")
@pytest.mark.long("20 processes are started and killed")
def test_twenty_kills_lose_nothing_at_mail_alertmanager_and_webhook(tmp_path: Path) -> None:
    with Hook(0.05) as hook, Mail() as mail, alertmanager(tmp_path) as url:
        world = World(tmp_path, 20)
        world.target("own", "webhook", {"endpoint": hook.url}, {"signing_secret": SIGNING_SECRET})
        world.target("mail", "apprise", {"service": "mailto"}, {"url": mail.url})
        world.target("am", "alertmanager", {"endpoint": url}, {})
        _kill_again_and_again(world, 20, 1.2, lambda: hook.keys() + mail.keys(), hook)
        _require_exact(world, hook.keys(), news=_news(world))
        _require_exact(world, mail.keys(), news=len(mail.keys()))
        alerts = {event.alert for event in world.alerts.events(0, 10_000)}
        assert mail.linked() <= alerts
        # The slower the machine, the more alerts gather in a mail, which describes some and counts the rest.
        assert len(alerts - mail.linked()) <= mail.more()
        lasting = {alert.id for alert in world.alerts.alerts(ACCOUNT, LASTING)}
        assert firing(url).keys() == lasting
        world.alerts.close()

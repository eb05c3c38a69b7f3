"""A provider fails and works again: real servers and processes, from the reports to the notifications."""

import itertools
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from cluster import wait_until
from faults.places import ENGINES, Place, place
from notifications.receivers import SIGNING_SECRET, Hook
from otpconv.clock import wall_clock
from otpconv.service.alerting import START_S
from otpconv.service.alerting_process import opened_follower
from otpconv.storage.contract import HOUR_MS, MINUTE_MS

#: Of each provider in a minute: that a fall has ended is sure after about 40 messages.
A_MINUTE = {"acme": 2, "bravo": 20}
#: A slice is watched for falls after three days.
HISTORY_MS = 80 * HOUR_MS
#: Until so long ago, it reported in every fifth minute only, which is enough to learn from.
THIN_MS, EVERY = 6 * HOUR_MS, 5
#: `bravo` has failed so many minutes when the target is made, which gets no older news; and the detectors
#: have looked until so many minutes before that.
FAILING, LOOKED = 1, 55
#: Looks at which all detectors learn the past and compare it with new reports.
LOOKS = 40
#: How long the looks at missed minutes, and the test that a fall has ended, may take, s.
PATIENCE_S = 420.0
AT_ONCE = 1_000

Report = dict[str, Any]


class Application:
    """Reports each minute once it is over, as an application does.

    Args:
        now: the time now, ms; it has reported for `HISTORY_MS`.
    """

    def __init__(self, now: int) -> None:
        self.bravo_fails = False
        # Whole minutes: of one that is not over, reports would be in the future.
        self._next = (now - HISTORY_MS) // MINUTE_MS * MINUTE_MS
        self._thin_until = now - THIN_MS
        self._random = Random(1)
        self._ids = itertools.count()

    def until(self, end: int) -> tuple[list[Report], list[Report]]:
        """Return the messages, and their conversions, of the minutes that are over at `end`, ms."""
        messages: list[Report] = []
        conversions: list[Report] = []
        for minute in range(self._next, end // MINUTE_MS * MINUTE_MS, MINUTE_MS):
            self._next = minute + MINUTE_MS
            if minute < self._thin_until and minute // MINUTE_MS % EVERY:
                continue
            for provider, many in A_MINUTE.items():
                for nth in range(many):
                    each = {"message_id": f"m{next(self._ids)}"}
                    at = minute + nth * MINUTE_MS // many
                    sent = {"requested_at": at, "country": "DE", "provider": provider, "attempt": 1}
                    messages.append(each | sent)
                    if self._random.random() < 0.9 and not (self.bravo_fails and provider == "bravo"):
                        used = at + self._random.randrange(8_000, 24_000)
                        conversions.append(each | {"delivered": True, "conversion_time": used})
        return messages, conversions


def _report(client: httpx.Client, reports: tuple[list[Report], list[Report]]) -> None:
    for name, some in zip(("messages", "conversions"), reports, strict=True):
        for first in range(0, len(some), AT_ONCE):
            answer = client.post(f"/v1/{name}", json={name: some[first : first + AT_ONCE]})
            answer.raise_for_status()
            assert answer.json()["rejected"] == [], answer.text


def _happened(hook: Hook) -> list[str]:
    return [news for body in hook.bodies() for each in body["alerts"] for news in each["news"]]


def _history(storage: Place, application: Application, hook: Hook, now: int) -> None:
    """Report the past, and let the detectors look at a part of it: they were there an hour ago."""
    with storage.served(OTPCONV_ALERTS="false") as client:
        target = {"name": "oncall", "kind": "webhook", "rules": {}}
        settings = {"endpoint": hook.url, "signing_secret": SIGNING_SECRET}
        client.post("/v1/alert-targets", json=target | {"settings": settings}).raise_for_status()
        _report(client, application.until(now - FAILING * MINUTE_MS))
        application.bravo_fails = True
        _report(client, application.until(now))
        wait_until(lambda: client.get("/v1/rates").json()["lag"] == 0)
    at = now
    with opened_follower(storage.settings, lambda: at) as follower:
        for minute in range(-LOOKED - LOOKS, -LOOKED):
            at = now + minute * MINUTE_MS
            follower.step()


@pytest.mark.campaign("detectors, the store and notifications have tests of their own")
@pytest.mark.long("the detectors begin a minute after a server, and look once a minute")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_provider_that_fails_is_an_alert_until_it_works_again(engine: str, tmp_path: Path) -> None:
    now = wall_clock()
    application = Application(now)
    with Hook() as hook, place(engine, tmp_path) as storage:
        _history(storage, application, hook, now)
        with storage.served() as client:

            def reported(is_so: Callable[[], bool]) -> bool:
                _report(client, application.until(wall_clock()))
                return is_so()

            def alerts(state: str) -> list[Report]:
                answer = client.get("/v1/alerts", params={"state": state})
                return list(answer.json()["alerts"])

            wait_until(partial(reported, lambda: alerts("open") != []), START_S + PATIENCE_S)
            (opened,) = alerts("open")
            assert (opened["kind"], opened["slice"]) == ("conversion_fell", {"provider": "bravo"})
            assert abs(opened["since"] - (now - FAILING * MINUTE_MS)) <= 3 * MINUTE_MS
            wait_until(lambda: hook.bodies() != [])
            by_name = client.post(f"/v1/alerts/{opened['id']}/acknowledge", json={"note": "asked bravo"})
            assert by_name.json()["state"] == "acknowledged"

            _report(client, application.until(wall_clock()))
            application.bravo_fails = False
            wait_until(partial(reported, lambda: _happened(hook)[-1] == "resolved"), PATIENCE_S)
            (resolved,) = alerts("resolved")
            assert alerts("open,acknowledged,snoozed") == []
            assert (resolved["id"], resolved["note"]) == (opened["id"], "asked bravo")
        time.sleep(1)
        # It gets worse if it was found after very few messages.
        assert _happened(hook) in (["opened", "resolved"], ["opened", "worse", "resolved"])
        assert {each["id"] for body in hook.bodies() for each in body["alerts"]} == {opened["id"]}
        assert max(hook.keys().values()) == 1

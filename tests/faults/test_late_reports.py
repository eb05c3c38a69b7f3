"""The reports of a real reporter wait while a server can't be reached: then the server finds them late."""

import time
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from cluster import wait_until
from faults.places import ENGINES, place
from faults.proxy import Proxy
from otpconv import Reporter
from otpconv.alerts import arriving
from otpconv.alerts.follower import Follower
from otpconv.clock import wall_clock
from otpconv.service.alerting_process import opened_follower
from otpconv.storage.contract import MINUTE_MS

#: In this test, reports are late after a second, and this much is known after some looks.
LATE_MS, KNOWN = 1_000, 5
#: Reports between two looks.
REPORTS = 4


class Application:
    """Reports by a real reporter, and lets the detectors look as if each look were a minute later."""

    def __init__(
        self, client: httpx.Client, proxy: Proxy, reporter: Reporter, follower: Follower, clock: list[int]
    ) -> None:
        self._client = client
        self._proxy = proxy
        self._reporter = reporter
        self._follower = follower
        self._clock = clock
        self._sent = 0

    def report(self, *, outage_ms: int = 0) -> None:
        """Report some messages, wait until they are recorded, and look.

        Args:
            outage_ms: for how long the server can't be reached meanwhile.
        """
        if outage_ms:
            self._proxy.block()
            self._proxy.cut()
        for _ in range(REPORTS):
            self._reporter.requested(f"m{self._sent}", provider="acme")
            self._sent += 1
        if outage_ms:
            time.sleep(outage_ms / 1_000)
            self._proxy.heal()
        newest = f"m{self._sent - 1}"
        wait_until(lambda: self._client.get(f"/v1/messages/{newest}").status_code == 200)
        self._clock[0] += MINUTE_MS
        self._follower.step()


@pytest.mark.campaign("the detector, the sample of the journal and the store have tests of their own")
@pytest.mark.long("it starts a server, and cuts a reporter off three times")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_spool_that_is_behind_is_an_alert_until_it_is_in_time(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_LATE_MS", LATE_MS), ("_IN_TIME_MS", LATE_MS // 2), ("_KNOWN", KNOWN)):
        monkeypatch.setattr(arriving, name, value)
    clock = [wall_clock()]
    with ExitStack() as opened:
        storage = opened.enter_context(place(engine, tmp_path))
        client = opened.enter_context(storage.served(OTPCONV_ALERTS="false"))
        proxy = opened.enter_context(closing(Proxy(client.base_url.port or 0)))
        spool, endpoint = tmp_path / "spool", f"http://127.0.0.1:{proxy.port}"
        reporter = Reporter(endpoint, *storage.key, spool=spool, longest_pause_ms=200)
        opened.enter_context(reporter)
        follower = opened.enter_context(opened_follower(storage.settings, lambda: clock[0]))
        application = Application(client, proxy, reporter, follower, clock)

        def alerts(state: str) -> list[dict[str, object]]:
            return list(client.get("/v1/alerts", params={"state": state}).json()["alerts"])

        for _ in range(KNOWN + 2):
            application.report()
        assert alerts("open") == []
        for _ in range(3):
            application.report(outage_ms=LATE_MS + 500)
        (found,) = alerts("open")
        assert (found["kind"], found["slice"]) == ("reports_late", {"access_key": storage.key[0]})
        assert client.get(f"/v1/alerts/{found['id']}").status_code == 200
        for _ in range(3):
            application.report()
        (resolved,) = alerts("resolved")
        assert resolved["id"] == found["id"]

"""Somebody new: clones, runs `make demo`, follows the link, and sees which route fails."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from otpconv.cli.demo.weeks import PUMPED_RANGE
from otpconv.config import environment

ROOT = Path(__file__).resolve().parents[2]
#: From the command to the dashboard that names the route, s of CPU: on an idle machine it takes no longer.
WITHIN_S = 60
#: The same on a machine that runs other tests, s.
LOADED_S = 240

Open = Callable[..., Page]


def cpu_of_children() -> float:
    """Return the CPU time of the processes that have ended, s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.long("makes up two weeks of traffic")
@pytest.mark.campaign("the traffic is in tests/cli/test_demo_weeks.py, the command in test_demo_serve.py")
def test_make_demo_leads_to_a_dashboard_that_names_the_failing_route(open_page: Open, tmp_path: Path) -> None:
    began, used = time.monotonic(), cpu_of_children()
    command = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "demo"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()[-1]
    assert command.split()[:4] == ["exec", ".venv/bin/otpconv", "demo", "--serve"]
    words = [sys.executable, "-m", "otpconv", *command.split()[2:]]
    with subprocess.Popen(  # noqa: S603 - our own command
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment() | {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
    ) as demo:
        try:
            assert demo.stdout is not None
            lines = iter(demo.stdout.readline, "")
            link = next(
                found[1] for line in lines if (found := re.search(r"(http://\S+/sign-in\?token=\S+)", line))
            )
            page = open_page()
            # The machine that runs the tests may be busy; the whole way has one limit, below.
            page.set_default_timeout(LOADED_S * 1000)
            page.goto(link)
            page.wait_for_url("**/dashboard")
            expect(page.locator("#broken")).to_contain_text(
                re.compile(r"(acme|birdcall) in [A-Z]{2} converts"), timeout=LOADED_S * 1000
            )
            expect(page.locator("#silence")).to_contain_text("access key")
            # The detectors have looked before the server was ready.
            strip = page.locator("#alerts")
            expect(strip).to_contain_text(re.compile(r"(acme|birdcall) in [A-Z]{2}: conversion fell"))
            expect(strip).to_contain_text(re.compile(r"access key \w+: reporter stopped"))
            assert time.monotonic() - began < LOADED_S
            assert "▼" in page.title()
            page.goto(f"{link.partition('/sign-in')[0]}/ranges")
            expect(page.locator("main")).to_contain_text(PUMPED_RANGE)
            page.close()  # it would ask a server that is gone
        finally:
            demo.send_signal(signal.SIGTERM)
            _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 0, errors
    assert cpu_of_children() - used < WITHIN_S
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing is left behind

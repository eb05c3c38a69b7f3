"""What docs/how-to/log-in-flow.md shows works as pasted: it runs in processes of its own, and reports."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from otpconv.config import environment

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/log-in-flow.md"
MOST_LINES = 10

# A user takes longer than this to type a code back; a program would do it within the millisecond.
THINK = "import time; time.sleep(0.005)"

# What an application around the pasted lines does with them.
AROUND = {
    "Plain Python": f"""
{{0}}
code_was_sent("a", "+4915112345678")
{THINK}
code_was_typed_back("a")
""",
    "FastAPI": f"""
{{0}}
import asyncio, httpx
async def log_in():
    browser = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop")
    async with app.router.lifespan_context(app), browser:
        assert (await browser.post("/codes/a?phone=%2B4915112345678")).status_code == 200
        {THINK}
        assert (await browser.put("/codes/a")).status_code == 200
asyncio.run(log_in())
""",
    "Django": f"""
import django
from django.conf import settings
INSTALLED_APPS = ["django.contrib.contenttypes"]
{{0}}
settings.configure(INSTALLED_APPS=INSTALLED_APPS, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"])
django.setup()
{{1}}
from django.test import Client
from django.urls import path
urlpatterns = [path("sent/<message_id>", code_was_sent), path("typed/<message_id>", code_was_typed_back)]
assert Client().post("/sent/a", {{{{"phone": "+4915112345678"}}}}).status_code == 200
{THINK}
assert Client().post("/typed/a").status_code == 200
""",
    "Flask": f"""
{{0}}
assert app.test_client().post("/codes/a", data={{{{"phone": "+4915112345678"}}}}).status_code == 200
{THINK}
with app.app_context():
    current_reporter.report("a")
""",
    "Celery": f"""
{{0}}
send_code("a", "+4915112345678")
{THINK}
reporter.report("a")
""",
    "Metrics": f"""
{{0}}
from prometheus_client import generate_latest
assert b"otpconv_reporter_reports_total 0.0" in generate_latest()
{{1}}
reporter.requested("a")
{THINK}
reporter.report("a")
""",
}


def blocks() -> dict[str, list[str]]:
    """The Python blocks of each section that has some, by its heading."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {
        section.partition("\n")[0]: re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        for section in sections
    }
    return {heading: pasted for heading, pasted in found.items() if pasted}


def test_every_block_of_the_page_is_run_here() -> None:
    assert set(blocks()) == set(AROUND)


@pytest.mark.parametrize("heading", AROUND)
def test_no_log_in_flow_needs_more_than_ten_lines(heading: str) -> None:
    assert sum(len(pasted.splitlines()) for pasted in blocks()[heading]) <= MOST_LINES


@pytest.mark.parametrize("heading", AROUND)
def test_what_the_page_shows_reports_as_pasted(
    heading: str, variables: dict[str, str], tmp_path: Path, arrived: Callable[[int, int], None]
) -> None:
    (tmp_path / "shop.py").write_text(AROUND[heading].format(*blocks()[heading]), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "shop.py"],
        cwd=tmp_path,
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    arrived(1, 1)

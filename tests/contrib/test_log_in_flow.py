"""What docs/how-to/log-in-flow.md shows works as pasted: it runs in processes of its own, and reports."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from campaigns import parameters
from otpconv.config import environment

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/log-in-flow.md"
MOST_LINES = 10
#: The module of the application that all flows import.
YOUR_SIDE = "Your side"
PHONE = "+4915112345678"

# Every flow meets the same user, who mistypes the first code, asks for another one, and types that.
USER = """
import json, time

def ids(sent):
    return [message.message_id for message in sent]

def right():
    (message,) = codes.sent.values()
    return message.code

def wrong():
    return "000000" if right() != "000000" else "111111"

def think():
    # A user takes longer than this; a program would type the code within the millisecond.
    time.sleep(0.005)

took = []
"""
# A browser answers `post(path, fields)` with a status.
BROWSED = f"""
assert post("/codes/check", code="123456") == 404
assert post("/codes", phone="4915112345678") in (400, 422)
assert post("/codes", phone="{PHONE}") == 200
took += ids(codes.sent.values())
think()
assert post("/codes/check", code=wrong()) == 401
assert post("/codes", phone="{PHONE}") == 200
took += ids(codes.sent.values())
think()
assert post("/codes/check", code=right()) == 200
def failing(phone, text):
    raise codes.SendFailed
codes.vendor_send = failing
assert post("/codes", phone="{PHONE}") == 503
"""
CALLED = f"""
send_code("login-1", "{PHONE}")
took += ids(codes.sent.values())
think()
assert check_code("login-1", wrong()) is False
send_code("login-1", "{PHONE}")
took += ids(codes.sent.values())
think()
assert check_code("login-1", right()) is True
"""
PRINT = "print(json.dumps(took))"

# What an application around the pasted lines does with them.
AROUND = {
    "Plain Python": f"{{0}}{USER}{CALLED}{PRINT}",
    "FastAPI": f"""
{{0}}
import warnings
with warnings.catch_warnings(action="ignore"):  # of the test client, about its own library
    from fastapi.testclient import TestClient
{USER}
with TestClient(app) as browser:
    kept = {{{{"session": "00000000-0000-4000-8000-000000000000"}}}}
    def post(path, **fields):
        answer = browser.post(path, json=kept | fields if path.endswith("check") or len(took) else fields)
        kept.update({{{{"session": answer.json()["session"]}}}} if "session" in answer.json() else {{{{}}}})
        return answer.status_code
    {BROWSED.replace(chr(10), chr(10) + "    ")}
{PRINT}
""",
    "Django": f"""
import django
from django.conf import settings
INSTALLED_APPS = ["django.contrib.contenttypes"]
{{0}}
settings.configure(
    INSTALLED_APPS=INSTALLED_APPS, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"], SECRET_KEY="test",
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
django.setup()
import logging
logging.disable(logging.WARNING)  # Django warns of each 4xx
{{1}}
from django.test import Client
from django.urls import path
urlpatterns = [path("codes", send_code), path("codes/check", check_code)]
browser = Client()
{USER}
def post(path, **fields):
    return browser.post(path, fields).status_code
assert browser.get("/codes").status_code == 405
{BROWSED}{PRINT}
""",
    "Flask": f"""
{{0}}
{USER}
browser = app.test_client()
def post(path, **fields):
    return browser.post(path, data=fields).status_code
{BROWSED}{PRINT}
""",
    "Celery": f"{{0}}{USER}{CALLED}{PRINT}",
}
METRICS = """
{0}
from prometheus_client import generate_latest
assert b"otpconv_reporter_reports_total 0.0" in generate_latest()
{1}
import time
reporter.requested("a")
time.sleep(0.005)
reporter.report("a")
"""


def blocks() -> dict[str, list[str]]:
    """The Python blocks of each section that has some, by its heading."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {
        section.partition("\n")[0]: re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        for section in sections
    }
    return {heading: pasted for heading, pasted in found.items() if pasted}


def ran(program: str, folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program beside the module of the page."""
    (folder / "codes.py").write_text(blocks()[YOUR_SIDE][0], encoding="utf-8")
    (folder / "shop.py").write_text(program, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-W", "error", "shop.py"],
        cwd=folder,
        env=environment() | variables | {"SECRET_KEY": "of a test"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def ours(pasted: str) -> Iterator[ast.stmt]:
    """The statements of a block that are there for otpconv's sake."""
    for node in ast.walk(ast.parse(pasted)):
        if isinstance(
            node, ast.Import | ast.ImportFrom | ast.Expr | ast.Assign | ast.AugAssign
        ) and re.search("otpconv|reporter|lifespan", ast.unparse(node), re.IGNORECASE):
            yield node


def test_every_block_of_the_page_is_run_here() -> None:
    assert set(blocks()) == {*AROUND, YOUR_SIDE, "Metrics"}


@pytest.mark.parametrize("heading", [*AROUND, "Metrics"])
def test_no_log_in_flow_needs_more_than_ten_lines_of_ours(heading: str) -> None:
    lines = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for pasted in blocks()[heading]
        for node in ours(pasted)
    ]
    assert 0 < sum(lines) <= MOST_LINES


def test_no_number_and_no_code_is_in_an_address() -> None:
    pasted = "".join(block for section in blocks().values() for block in section)
    assert re.findall(r"""@app\.\w+\("[^"]*[<{?]""", pasted) == []
    assert re.findall(r"\.GET\b|request\.args|query_params|Query\(", pasted) == []
    assert re.findall(r"@app\.(get|put|delete)\b", pasted) == []


@pytest.mark.parametrize("heading", AROUND)
def test_a_flow_reports_both_codes_of_a_login_the_wrong_one_and_the_right_one(
    heading: str,
    variables: dict[str, str],
    tmp_path: Path,
    arrived: Callable[[int, int], None],
    own: httpx.Client,
) -> None:
    done = ran(AROUND[heading].format(*blocks()[heading]), tmp_path, variables)
    assert (done.returncode, done.stderr) == (0, "")
    arrived(2, 1)
    first, second = (own.get(f"/v1/messages/{id_}").json() for id_ in json.loads(done.stdout))
    assert (first["verified"], second["verified"]) == (False, True)
    assert first["delivered_false_last"] is not None
    assert second["delivered_false_last"] is None
    assert (first["attempt"], second["attempt"]) == (1, 2)
    assert first["session_id"] == second["session_id"] != ""
    assert {(each["provider"], each["template"], each["country"]) for each in (first, second)} == {
        ("acme", "login", "DE")
    }


@pytest.mark.parametrize(
    "heading",
    parameters([name for name in AROUND if name != "Plain Python"], ["Flask"], "in other frameworks"),
)
def test_a_flow_works_without_an_endpoint_and_says_so(heading: str, tmp_path: Path) -> None:
    nowhere = {f"OTPCONV_{name}": "" for name in ("ENDPOINT", "ACCESS_KEY_ID", "ACCESS_KEY_SECRET")}
    done = ran(AROUND[heading].format(*blocks()[heading]), tmp_path, nowhere)
    assert done.returncode == 0, done.stderr
    # Django's example hides warnings here.
    assert done.stderr.count("nothing is reported: no endpoint") == (heading != "Django")


def test_the_metrics_are_served_as_pasted(
    variables: dict[str, str], tmp_path: Path, arrived: Callable[[int, int], None]
) -> None:
    done = ran(METRICS.format(*blocks()["Metrics"]), tmp_path, variables)
    assert (done.returncode, done.stderr) == (0, "")
    arrived(1, 1)


def test_the_module_of_the_page_refuses_late_and_too_many_codes(tmp_path: Path) -> None:
    program = f"""
import codes
message = codes.send("login", "{PHONE}")
assert codes.check("login", message.code) == (message, True)
message.expires_at = 0
assert codes.check("login", message.code) == (message, False)
message = codes.send("login", "{PHONE}")
for _ in range(codes.MAX_WRONG):
    assert not codes.check("login", "x")[1]
assert not codes.check("login", message.code)[1]
assert codes.send("login", "+33612345678").attempt == 1
assert message.code not in repr(message) and "{PHONE}" not in repr(message)
"""
    done = ran(program, tmp_path, {})
    assert (done.returncode, done.stderr) == (0, "")

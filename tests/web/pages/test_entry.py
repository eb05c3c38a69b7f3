"""How people get in: the start page, a pasted ID:SECRET, and links of `otpconv sign-in-link`."""

import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from audited import audited
from cli.commands import in_a_process
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from web.wire import NO_TLS

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def visit(server: LocalServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=BROWSER, verify=NO_TLS) as client:
        yield client


def link_of(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return in_a_process("sign-in-link", "--data", data, *arguments)


# The start page.


def test_a_browser_at_the_root_gets_the_dashboard(visit: httpx.Client) -> None:
    answer = visit.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {"accept": "*/*"}),
        ("GET", "/", {"accept": "application/json"}),
        ("GET", "/?Action=SmsConversion", {}),
        ("GET", "/", {"x-acs-action": "SmsConversion"}),
        ("GET", "/", {"authorization": "ACS3-HMAC-SHA256 Credential=x"}),
        ("POST", "/", {}),
        ("PUT", "/", {}),
    ],
)
def test_any_other_request_to_the_root_is_a_call(
    visit: httpx.Client, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = visit.request(method, path, headers=headers)
    assert answer.status_code >= 400
    assert "RequestId" in answer.text


# A pasted key.


@pytest.mark.parametrize("secret", ["", "{secret}"])
def test_id_and_secret_may_be_pasted_into_one_field(visit: httpx.Client, key: AccessKey, secret: str) -> None:
    form = {
        "access_key_id": f" {key.access_key_id}:{key.secret}\n",
        "access_key_secret": secret.format(secret=key.secret),
    }
    assert visit.post("/sign-in", data=form).headers["location"] == "/dashboard"
    assert visit.get("/dashboard").status_code == 200


def test_a_pasted_secret_that_is_wrong_is_not_shown_again(visit: httpx.Client, key: AccessKey) -> None:
    form = {"access_key_id": f"{key.access_key_id}:wrong-{key.secret}", "access_key_secret": ""}
    answer = visit.post("/sign-in", data=form)
    assert answer.status_code == 401
    assert key.access_key_id in answer.text
    assert key.secret not in answer.text


# A link.


def test_a_new_link_signs_in_once_while_the_server_runs(server: LocalServer, visit: httpx.Client) -> None:
    made = link_of(server.data)
    assert made.returncode == 0, made.stderr
    link = made.stdout.strip()
    assert link.startswith(f"{server.url}/sign-in?token=")
    target = link.removeprefix(server.url)
    assert visit.get(target).status_code == 303
    assert "admin" in visit.get("/dashboard").text
    again = visit.get(target)
    assert again.status_code == 401
    assert "otpconv sign-in-link" in again.text


def test_of_many_that_follow_a_link_at_once_one_is_signed_in(server: LocalServer) -> None:
    target = link_of(server.data).stdout.strip()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: httpx.get(target, verify=NO_TLS).status_code, range(16)))
    assert sorted(answers) == [303] + 15 * [401]


def test_a_link_stays_used_after_a_restart_and_an_unused_one_good(
    make_server: Callable[..., LocalServer],
) -> None:
    server = make_server()
    with server:
        used, unused = (urlsplit(link_of(server.data).stdout.strip()) for _ in range(2))
        assert httpx.get(f"{server.url}{used.path}?{used.query}").status_code == 303
    with server:
        assert httpx.get(f"{server.url}{used.path}?{used.query}").status_code == 401
        assert httpx.get(f"{server.url}{unused.path}?{unused.query}").status_code == 303


def test_a_link_is_for_the_user_it_names(
    server: LocalServer, visit: httpx.Client, make_key: Callable[..., AccessKey]
) -> None:
    key = make_key("OtpconvReadOnly")
    made = json.loads(link_of(server.data, key.user, "--account", key.account_name, "--json").stdout)
    assert made["user"] == key.user
    assert visit.get(made["url"]).status_code == 303
    assert key.user in visit.get("/dashboard").text
    lines = audited(server.data)
    (line,) = [
        each for each in lines if key.user in each.get("subject", "") and each["what"] == "CreateSignInLink"
    ]
    assert line["outcome"] == "done"
    assert key.access_key_id in line["subject"]


def test_it_says_what_to_do_where_it_makes_no_link(server: LocalServer, tmp_path: Path) -> None:
    nobody = link_of(server.data, "nobody")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "otpconv keys create nobody" in nobody.stderr
    stopped = link_of(tmp_path / "data")
    assert (stopped.returncode, stopped.stdout) == (2, "")
    assert "otpconv serve" in stopped.stderr
    assert not (tmp_path / "data").exists()

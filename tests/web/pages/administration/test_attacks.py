"""Attacks on the pages of administration: foreign forms, few rights, keys disabled meanwhile, and HTML."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from audited import audited
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.web.pages.administration.routes import administration_pages
from web.pages.administration.forms import post
from web.wire import NO_TLS

SignedIn = Callable[[AccessKey], httpx.Client]

SERVICE: Any = SimpleNamespace(
    settings=SimpleNamespace(data=Path()), administration=SimpleNamespace(aside=None), clock=None
)
#: Every page of administration: its method and its path.
PAGES = [(page.method, page.path) for page in administration_pages(SERVICE, SERVICE)]
FIELDS = {
    "name": "mallory",
    "policy": "AdministratorAccess",
    "keys": "",
    "document": '{"Version": "1", "Statement": []}',
}


def addressed(path: str, key: AccessKey) -> str:
    return path.format(user=key.user, policy="OtpconvReadOnly")


def changes(server: LocalServer, key: AccessKey) -> list[dict[str, Any]]:
    """The lines of the audit trail about changes that somebody made."""
    found = audited(server.data)
    return [line for line in found if (line["who"], line["outcome"]) == (key.access_key_id, "done")]


def form_token(browser: httpx.Client) -> str:
    token = re.search(r'name="form_token" value="([^"]+)"', browser.get("/explorer").text)
    assert token is not None
    return token[1]


@pytest.mark.parametrize("path", [path for method, path in PAGES if method == "POST"])
def test_no_form_of_another_site_or_sign_in_changes_anything(
    server: LocalServer, key: AccessKey, signed_in: SignedIn, make_key: Callable[..., AccessKey], path: str
) -> None:
    victim, attacker = signed_in(key), signed_in(make_key())
    fields = FIELDS | {"access_key_id": key.access_key_id}
    token = form_token(victim)
    url = addressed(path, key)
    foreign = [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": f"{server.url}.evil.example"},
    ]
    for headers in foreign:
        assert victim.post(url, data=fields | {"form_token": token}, headers=headers).status_code == 403
    del victim.headers["origin"]
    for site in ("cross-site", "same-site"):
        headers = {"sec-fetch-site": site}
        assert victim.post(url, data=fields | {"form_token": token}, headers=headers).status_code == 403
    for other in ("", token[:-1], form_token(attacker)):
        assert victim.post(url, data=fields | {"form_token": other}).status_code == 403
    json_body = victim.post(url, json=fields | {"form_token": token})
    assert json_body.status_code == 415
    assert httpx.post(server.url + url, data=fields, verify=NO_TLS).status_code == 401
    assert changes(server, key) == []


def test_every_page_needs_an_action_and_shows_nothing_without_it(
    server: LocalServer, key: AccessKey, make_key: Callable[..., AccessKey], signed_in: SignedIn
) -> None:
    poor = make_key("OtpconvReportOnly", key.account_name)
    browser = signed_in(poor)
    token = form_token(browser)
    for method, path in PAGES:
        answer = browser.request(method, addressed(path, key), data=FIELDS | {"form_token": token})
        assert answer.status_code == 403, path
        assert key.access_key_id not in answer.text
    assert changes(server, poor) == []


@pytest.mark.parametrize("what", ["disable", "delete"])
def test_a_key_that_is_disabled_while_somebody_is_signed_in_is_out_for_good(
    server: LocalServer, key: AccessKey, make_key: Callable[..., AccessKey], signed_in: SignedIn, what: str
) -> None:
    other = make_key("AdministratorAccess", key.account_name)
    admin, browser = signed_in(key), signed_in(other)
    token = form_token(browser)
    path = f"/administration/users/{other.user}/keys"
    assert post(admin, f"{path}/{what}", access_key_id=other.access_key_id).status_code == 303
    assert browser.get("/administration/users").status_code == 303  # to the sign-in
    form = {"form_token": token, "name": "mallory"}
    assert browser.post("/administration/users", data=form).status_code == 401
    if what == "disable":
        assert post(admin, f"{path}/enable", access_key_id=other.access_key_id).status_code == 303
        assert browser.post("/administration/users", data=form).status_code == 401
    assert admin.get("/administration/users/mallory").status_code == 404
    assert changes(server, other) == []


def test_a_right_that_is_taken_away_is_gone_at_once(
    key: AccessKey, make_key: Callable[..., AccessKey], signed_in: SignedIn
) -> None:
    other = make_key("AdministratorAccess", key.account_name)
    admin, browser = signed_in(key), signed_in(other)
    assert post(browser, "/administration/users", name="first").status_code == 303
    post(admin, f"/administration/users/{other.user}/detach", policy="AdministratorAccess")
    assert post(browser, "/administration/users", name="second").status_code == 403
    assert browser.get("/administration/health").status_code == 403


def test_a_deleted_user_has_a_line(
    server: LocalServer, admin: httpx.Client, key: AccessKey, make_key: Callable[..., AccessKey]
) -> None:
    other = make_key("OtpconvReadOnly", key.account_name)
    assert post(admin, f"/administration/users/{other.user}/delete").status_code == 303
    [line] = changes(server, key)
    subject = f"user {key.account_name}/{other.user}"
    assert (line["what"], line["subject"], line["outcome"]) == ("DeleteUser", subject, "done")


EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}'


def test_html_in_the_audit_trail_and_in_searches_is_text(
    server: LocalServer, admin: httpx.Client, key: AccessKey
) -> None:
    line = dict.fromkeys(("who", "what", "outcome", "user", "subject", "from", "request_id"), EVIL)
    with (server.data / "audit.ndjson").open("a") as file:
        file.write(json.dumps(line | {"at": "2026-01-01T00:00:00.000Z", "account": key.account}) + "\n")
    pages = [admin.get("/administration/audit")]
    assert "alert(1)" in pages[0].text
    fields = ("who", "what", "outcome", "start", "end", "before", "q", "done", "action", "holder", "at")
    for path in (
        "audit",
        "users",
        "policies",
        "permissions",
        f"users/{key.user}",
        "policies/OtpconvReadOnly",
    ):
        pages += [admin.get(f"/administration/{path}", params={field: EVIL}) for field in fields]
    path = f"/administration/users/{key.user}"
    pages += [
        post(admin, "/administration/users", name=EVIL),
        post(admin, "/administration/policies", name=EVIL, document=EVIL),
        post(admin, f"{path}/attach", policy=EVIL),
        post(admin, f"{path}/detach", policy=EVIL),
        post(admin, f"{path}/keys/create", keys=EVIL),
        post(admin, f"{path}/keys/delete", access_key_id=EVIL),
        admin.get(f"/administration/users/{EVIL.replace('/', '')}"),
    ]
    for page in pages:
        assert page.status_code in {200, 400, 404}, page.request.url
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]


def test_a_document_with_html_is_shown_as_text(admin: httpx.Client) -> None:
    statement = {"Effect": "Allow", "Action": "otpconv:QueryRates", "Resource": "*"}
    condition = {"StringEquals": {"acs:UserAgent": f"</textarea>{EVIL}"}}
    document = json.dumps({"Version": "1", "Statement": [statement | {"Condition": condition}]})
    assert post(admin, "/administration/policies", name="Evil", document=document).status_code == 303
    page = admin.get("/administration/policies/Evil").text
    assert "alert(1)" in page
    assert page.count("</textarea>") == 1
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "a%00b", "x" * 5_000, "%ff", "a%2fb", "%0d%0aset-cookie:%20a=b"]
)
def test_no_path_reaches_anything_else(admin: httpx.Client, name: str) -> None:
    for path in (f"/administration/users/{name}", f"/administration/policies/{name}"):
        answer = admin.get(path)
        assert answer.status_code in {303, 400, 404, 414, 431}, answer.text
        assert "set-cookie" not in answer.headers

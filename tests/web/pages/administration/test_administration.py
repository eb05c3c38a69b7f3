"""Users, keys and policies on pages: what they change, who may, and what the audit trail says."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import quote

import apsw
import httpx
import pytest

from audited import audited
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.service.opening import open_directory
from web.pages.administration.forms import post

USERS = "/administration/users"
POLICIES = "/administration/policies"
RATES = (
    '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "otpconv:QueryRates", "Resource": "*"}]}'
)

SignedIn = Callable[[AccessKey], httpx.Client]


def trail(server: LocalServer, key: AccessKey) -> list[dict[str, Any]]:
    """The lines of the audit trail about a key, without the refusals while it was too new to be known."""
    lines = audited(server.data)
    return [
        line for line in lines if line["who"] == key.access_key_id and line["what"] != "otpconv:QueryRates"
    ]


def shown(page: httpx.Response, what: str) -> str:
    found = re.search(rf'id="access-key-{what}">([^<]+)<', page.text)
    assert found is not None, page.text
    return found[1]


def test_a_user_is_created_gets_a_policy_and_a_key_that_works_at_once(
    server: LocalServer, admin: httpx.Client, key: AccessKey
) -> None:
    created = post(admin, USERS, name="olga@shop.example")
    path = f"{USERS}/{quote('olga@shop.example', safe='')}"
    assert (created.status_code, created.headers["location"]) == (303, f"{path}?done=user-created")
    page = admin.get(created.headers["location"])
    assert "The user is created." in page.text
    assert "may do nothing" in page.text
    assert post(admin, f"{path}/attach", policy="OtpconvReadOnly").status_code == 303
    secret = post(admin, f"{path}/keys/create", keys="")
    assert secret.status_code == 200
    assert secret.headers["cache-control"] == "no-store"
    auth = (shown(secret, "id"), shown(secret, "secret"))
    assert httpx.get(f"{server.url}/v1/rates", auth=auth).status_code == 200
    assert auth[0] in admin.get(path).text
    account = key.account_name
    assert [(line["what"], line["subject"], line["outcome"]) for line in trail(server, key)] == [
        ("CreateUser", f"user {account}/olga@shop.example", "done"),
        ("AttachPolicy", f"user {account}/olga@shop.example, policy OtpconvReadOnly", "done"),
        ("CreateAccessKey", f"user {account}/olga@shop.example, key {auth[0]}", "done"),
    ]
    assert {(line["user"], line["account"], line["from"]) for line in trail(server, key)} == {
        (key.user, key.account, "127.0.0.1")
    }
    assert all(line["request_id"] for line in trail(server, key))


def test_a_secret_is_shown_once_and_is_in_no_log(server: LocalServer, admin: httpx.Client) -> None:
    post(admin, USERS, name="app")
    first = post(admin, f"{USERS}/app/keys/create", keys="")
    access_key_id, secret = shown(first, "id"), shown(first, "secret")
    again = post(admin, f"{USERS}/app/keys/create", keys="")  # the browser loads the page again
    assert again.status_code == 400
    assert "no key was created" in again.text
    for page in (again, admin.get(f"{USERS}/app"), admin.get(USERS)):
        assert secret not in page.text
        assert page.text.count(access_key_id) >= 1
    for file in (server.data / "audit.ndjson", server.log):
        assert secret not in file.read_text()


def test_a_key_is_rotated_without_a_gap(server: LocalServer, admin: httpx.Client, key: AccessKey) -> None:
    post(admin, USERS, name="app")
    post(admin, f"{USERS}/app/attach", policy="OtpconvReadOnly")
    pages = [post(admin, f"{USERS}/app/keys/create", keys="")]
    old = shown(pages[0], "id")
    assert "Rotate" in admin.get(f"{USERS}/app").text
    pages.append(post(admin, f"{USERS}/app/keys/create", keys=old))
    assert f"It replaces <code>{old}</code>" in pages[1].text

    def status() -> list[int]:
        auths = [(shown(page, "id"), shown(page, "secret")) for page in pages]
        return [httpx.get(f"{server.url}/v1/rates", auth=auth).status_code for auth in auths]

    assert status() == [200, 200]
    assert "at most 2 keys" in admin.get(f"{USERS}/app").text
    for what, expected in (("disable", [401, 200]), ("enable", [200, 200]), ("delete", [401, 200])):
        answer = post(admin, f"{USERS}/app/keys/{what}", access_key_id=old)
        assert (answer.status_code, status()) == (303, expected), what
    assert [line["what"] for line in trail(server, key)][2:] == [
        "CreateAccessKey",
        "RotateAccessKey",
        "DisableAccessKey",
        "EnableAccessKey",
        "DeleteAccessKey",
    ]


def test_nobody_locks_themselves_out(admin: httpx.Client, key: AccessKey) -> None:
    for what in ("disable", "delete"):
        answer = post(admin, f"{USERS}/{key.user}/keys/{what}", access_key_id=key.access_key_id)
        assert answer.status_code == 400
        assert "You are signed in with this key" in answer.text
    assert post(admin, f"{USERS}/{key.user}/delete").status_code == 400
    assert admin.get(USERS).status_code == 200


def test_a_deleted_user_is_out_at_once(
    server: LocalServer,
    admin: httpx.Client,
    key: AccessKey,
    make_key: Callable[..., AccessKey],
    signed_in: SignedIn,
) -> None:
    other = make_key("OtpconvReadOnly", key.account_name)
    browser = signed_in(other)
    assert post(admin, f"{USERS}/{other.user}/delete").headers["location"] == f"{USERS}?done=user-deleted"
    assert browser.get("/dashboard").status_code == 303
    assert httpx.get(f"{server.url}/v1/rates", auth=(other.access_key_id, other.secret)).status_code == 401
    assert admin.get(f"{USERS}/{other.user}").status_code == 404


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "<script>", "a/b"])
def test_a_wrong_name_is_refused_at_its_field(admin: httpx.Client, name: str) -> None:
    for path, fields in ((USERS, {}), (POLICIES, {"document": RATES})):
        answer = post(admin, path, name=name, **fields)
        assert answer.status_code == 400
        assert 'id="name-problem">The name of the ' in answer.text
        assert re.search(r'id="name"[^>]* aria-invalid="true"', answer.text)
        assert "<script>" not in answer.text


def test_a_name_that_is_taken_is_refused(server: LocalServer, admin: httpx.Client, key: AccessKey) -> None:
    answer = post(admin, USERS, name=key.user)
    assert answer.status_code == 400
    assert "already" in answer.text
    assert trail(server, key)[-1]["outcome"] == "InvalidRequest"


def test_a_policy_is_created_changed_and_deleted(
    admin: httpx.Client, key: AccessKey, make_key: Callable[..., AccessKey], server: LocalServer
) -> None:
    created = post(admin, POLICIES, name="Rates", document=RATES.replace(",", ",\r\n"))
    assert created.headers["location"] == f"{POLICIES}/Rates?done=policy-created"
    other = make_key("OtpconvReportOnly", key.account_name)
    auth = (other.access_key_id, other.secret)
    assert httpx.get(f"{server.url}/v1/rates", auth=auth).status_code == 403
    post(admin, f"{USERS}/{other.user}/attach", policy="Rates")
    assert httpx.get(f"{server.url}/v1/rates", auth=auth).status_code == 200
    assert post(admin, f"{POLICIES}/Rates", document=RATES.replace("Allow", "Deny")).status_code == 303
    assert httpx.get(f"{server.url}/v1/rates", auth=auth).status_code == 403
    assert "is attached to" in post(admin, f"{POLICIES}/Rates/delete").text
    post(admin, f"{USERS}/{other.user}/detach", policy="Rates")
    assert post(admin, f"{POLICIES}/Rates/delete").headers["location"] == f"{POLICIES}?done=policy-deleted"
    assert admin.get(f"{POLICIES}/Rates").status_code == 404
    done = [line["what"] for line in trail(server, key) if line["outcome"] == "done"]
    assert done == ["CreatePolicy", "AttachPolicy", "UpdatePolicy", "DetachPolicy", "DeletePolicy"]


def test_a_wrong_policy_is_refused_where_it_is_wrong_and_keeps_what_was_written(admin: httpx.Client) -> None:
    wrong = RATES.replace('"Effect"', '"Efect"')
    answer = post(admin, POLICIES, name="Rates", document=wrong)
    assert answer.status_code == 400
    assert "Statement[0]" in answer.text
    assert re.search(r'id="document"[^>]* aria-invalid="true"', answer.text)
    assert "Efect" in answer.text
    post(admin, POLICIES, name="Rates", document=RATES)
    answer = post(admin, f"{POLICIES}/Rates", document=wrong)
    assert answer.status_code == 400
    assert "Efect" in answer.text
    assert "QueryRates" in admin.get(f"{POLICIES}/Rates").text


def test_a_managed_policy_can_not_be_changed(admin: httpx.Client) -> None:
    assert "<textarea" not in admin.get(f"{POLICIES}/OtpconvReadOnly").text
    assert "managed" in post(admin, f"{POLICIES}/OtpconvReadOnly", document=RATES).text
    assert "managed" in post(admin, f"{POLICIES}/OtpconvReadOnly/delete").text


def test_a_policy_with_a_misspelled_action_has_a_caution(admin: httpx.Client) -> None:
    post(admin, POLICIES, name="Typo", document=RATES.replace("QueryRates", "QueryRate"))
    assert "did you mean otpconv:QueryRates" in admin.get(f"{POLICIES}/Typo").text


# Permissions.


def test_the_explainer_says_who_may_and_which_statement_decides(
    admin: httpx.Client, key: AccessKey, make_key: Callable[..., AccessKey]
) -> None:
    reporter = make_key("OtpconvReportOnly", key.account_name)
    page = admin.get("/administration/permissions", params={"action": "otpconv:QueryRates"}).text
    assert re.search(rf"user {key.user} <span class=\"badge good\">allowed", page)
    assert re.search(rf"user {reporter.user} <span class=\"badge bad\">denied", page)
    assert "Statement[0] of the policy AdministratorAccess allows" in page
    one = {"action": "otpconv:QueryRates", "holder": f"user {reporter.user}"}
    page = admin.get("/administration/permissions", params=one).text
    assert page.count('<span class="badge') == 1
    assert "no statement of the attached policies allows it" in page


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"action": "nonsense"}, "action"),
        ({"holder": "user nobody"}, "action"),
        ({"resource": "x"}, "action"),
        ({"at": "never"}, "at"),
        ({"source_ip": "here"}, "source_ip"),
    ],
)
def test_the_explainer_refuses_a_wrong_field_there(
    admin: httpx.Client, asked: dict[str, str], field: str
) -> None:
    answer = admin.get("/administration/permissions", params={"action": "otpconv:QueryRates", **asked})
    assert answer.status_code == 400
    assert answer.text.count('role="alert"') == 1
    assert f'id="{field}-problem"' in answer.text
    assert re.search(rf'id="{field}"[^>]* aria-invalid="true"', answer.text)


# Who may.


def test_a_visitor_sees_only_the_pages_that_they_may_open(
    make_key: Callable[..., AccessKey], signed_in: SignedIn
) -> None:
    reader = signed_in(make_key("OtpconvReadOnly"))
    page = reader.get("/administration/health")
    assert page.status_code == 200
    assert re.findall(r'href="(/administration/[a-z]+)"', page.text) == ["/administration/health"] * 2
    for path in (USERS, POLICIES, "/administration/permissions", "/administration/audit"):
        assert reader.get(path).status_code == 403
    reporter = signed_in(make_key("OtpconvReportOnly"))
    assert "/administration" not in reporter.get("/explorer").text


def test_every_change_needs_its_action(  # noqa: PLR0917 - fixtures
    server: LocalServer,
    key: AccessKey,
    make_key: Callable[..., AccessKey],
    signed_in: SignedIn,
    admin: httpx.Client,
    eventually: Callable[..., None],
) -> None:
    lists = RATES.replace("otpconv:QueryRates", "ram:List*")
    post(admin, POLICIES, name="Lists", document=lists)
    clerk = make_key("Lists", key.account_name)
    browser = signed_in(clerk)
    page = browser.get(f"{USERS}/{key.user}").text
    assert page.count("<form") == 1  # to sign out
    changes = [
        (USERS, "ram:CreateUser"),
        (f"{USERS}/{key.user}/delete", "ram:DeleteUser"),
        (f"{USERS}/{key.user}/attach", "ram:AttachPolicyToUser"),
        (f"{USERS}/{key.user}/detach", "ram:DetachPolicyFromUser"),
        (f"{USERS}/{key.user}/keys/create", "ram:CreateAccessKey"),
        (f"{USERS}/{key.user}/keys/disable", "ram:UpdateAccessKey"),
        (f"{USERS}/{key.user}/keys/enable", "ram:UpdateAccessKey"),
        (f"{USERS}/{key.user}/keys/delete", "ram:DeleteAccessKey"),
        (POLICIES, "ram:CreatePolicy"),
        (f"{POLICIES}/Lists", "ram:UpdatePolicy"),
        (f"{POLICIES}/Lists/delete", "ram:DeletePolicy"),
    ]
    for path, action in changes:
        answer = post(browser, path, policy="AdministratorAccess", name="x", document=RATES)
        assert answer.status_code == 403, path
        assert action in answer.text
    actions = {"otpconv:QueryRates", *(action for _, action in changes)}

    def audited() -> bool:
        """Return whether the trail, which only counts most refusals of the same second, names one."""
        post(browser, USERS, name="x")
        refused = {line["what"] for line in trail(server, clerk) if line["outcome"] == "AccessDenied"}
        assert refused <= actions
        return "ram:CreateUser" in refused

    eventually(audited, True)


def test_no_account_reaches_into_another(
    admin: httpx.Client, key: AccessKey, make_key: Callable[..., AccessKey], server: LocalServer
) -> None:
    stranger = make_key()
    with closing(open_directory(load(data=server.data))) as directory:
        directory.create_policy(stranger.account_name, "Theirs", RATES)
    for path in (f"{USERS}/{stranger.user}", f"{POLICIES}/Theirs"):
        assert admin.get(path).status_code == 404
    assert stranger.access_key_id not in admin.get(USERS).text
    assert "Theirs" not in admin.get(POLICIES).text
    assert post(admin, f"{USERS}/{stranger.user}/delete").status_code == 404
    assert post(admin, f"{USERS}/{stranger.user}/keys/create", keys="").status_code == 404
    answer = post(admin, f"{USERS}/{key.user}/attach", policy="Theirs")
    assert answer.status_code == 400
    assert "There is no policy of this name" in answer.text
    own = post(admin, f"{USERS}/{key.user}/keys/delete", access_key_id=stranger.access_key_id)
    assert own.status_code == 400
    auth = (stranger.access_key_id, stranger.secret)
    assert httpx.get(f"{server.url}/v1/rates", auth=auth).status_code == 200


@pytest.mark.parametrize("token", [{}, {"form_token": ""}, {"form_token": "guess"}])
def test_a_form_without_the_token_changes_nothing(
    server: LocalServer, admin: httpx.Client, key: AccessKey, token: dict[str, str]
) -> None:
    for path in (USERS, POLICIES, f"{USERS}/{key.user}/keys/create", f"{USERS}/{key.user}/attach"):
        assert admin.post(path, data={**token, "name": "mallory"}).status_code == 403
    assert trail(server, key) == []


def test_a_list_is_searched_and_bounded(admin: httpx.Client, key: AccessKey, server: LocalServer) -> None:
    with closing(open_directory(load(data=server.data))) as directory:
        for number in range(205):
            directory.create_user(key.account_name, f"app-{number:03}")
    page = admin.get(USERS).text
    assert page.count('<th scope="row">') == 200
    assert "The first 200 are shown" in page
    page = admin.get(USERS, params={"q": "APP-20"}).text
    assert page.count('<th scope="row">') == 5
    assert "No user has this in its name" in admin.get(USERS, params={"q": "nobody" * 50}).text


# Health.


def test_health_shows_lag_disk_housekeeping_and_versions(admin: httpx.Client) -> None:
    page = admin.get("/administration/health").text
    assert "Ready." in page
    assert "journal.sqlite" in page
    assert "access keys" in page
    assert re.search(r"<dt>otpconv</dt><dd>\d", page)


def test_a_page_of_administration_does_not_hold_up_the_event_loop(
    server: LocalServer, admin: httpx.Client
) -> None:
    # Another process holds the store's lock: the change waits for it, and nobody else does.
    connection = apsw.Connection(str(server.data / "access.sqlite"))
    connection.execute("BEGIN IMMEDIATE")
    try:
        with ThreadPoolExecutor(1) as thread:
            admin.timeout = httpx.Timeout(30)
            changing = thread.submit(post, admin, USERS, name="late")
            answered = 0
            while not changing.done():
                assert httpx.get(f"{server.url}/healthz", timeout=2).status_code == 200
                answered += 1
        assert answered > 5
        assert changing.result().status_code == 503
    finally:
        connection.execute("ROLLBACK")
        connection.close()

"""The pages without a browser: who gets in, who does not, and what every answer carries."""

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from otpconv.access.keys import AccessKey
from otpconv.audit import AuditLog
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.errors import OtpconvError
from otpconv.service.compose import Service
from otpconv.service.opening import open_key_store
from otpconv.web.front.body import Bodies
from otpconv.web.front.gate import Gate
from otpconv.web.pages import Pages
from otpconv.web.pages.page import Page
from otpconv.web.pages.static import StaticFiles
from otpconv.web.pages.visitors import Visitor
from web.wire import NO_TLS, administrator

PAGE = {"accept": "text/html"}
#: Where a sign-in leads to.
HOME = "/dashboard"


def client(server: LocalServer, **headers: str) -> httpx.Client:
    """Asks for pages."""
    return httpx.Client(base_url=server.url, headers=PAGE | headers, verify=NO_TLS)


@pytest.fixture
def browser(server: LocalServer) -> Iterator[httpx.Client]:
    """Keeps cookies and asks for pages, as a browser does; follows no redirect by itself."""
    with client(server, origin=server.url) as opened:
        yield opened


def sign_in(browser: httpx.Client, key: AccessKey, **more: str) -> httpx.Response:
    form = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
    return browser.post("/sign-in", data=form | more)


def token_of(page: httpx.Response) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


def is_signed_in(browser: httpx.Client) -> bool:
    answer = browser.get(HOME)
    assert answer.status_code in {200, 303}
    return answer.status_code == 200


# Signing in and out.


def test_an_access_key_signs_in_and_leads_home(browser: httpx.Client, key: AccessKey) -> None:
    answer = sign_in(browser, key)
    assert (answer.status_code, answer.headers["location"]) == (303, HOME)
    page = browser.get(HOME)
    assert page.status_code == 200
    assert key.user in page.text
    assert key.secret not in page.text


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: httpx.Client, key: AccessKey) -> None:
    cookie = sign_in(browser, key).headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Secure" not in cookie  # plain HTTP
    assert key.access_key_id not in cookie
    assert key.secret not in cookie


def test_behind_a_trusted_proxy_with_tls_the_cookie_is_secure(
    make_server: Callable[..., LocalServer],
) -> None:
    server = make_server(settings={"OTPCONV_TRUSTED_PROXIES": "127.0.0.0/8"})
    server.start()
    with client(server) as browser:
        browser.headers["x-forwarded-proto"] = "https"
        cookie = sign_in(browser, administrator(server)).headers["set-cookie"]
    assert cookie.startswith("__Host-otpconv-")
    assert "Secure" in cookie.split("; ")


@pytest.mark.parametrize("wrong", ["secret", "id", "both", "none"])
def test_a_wrong_key_is_told_alike_whatever_is_wrong(
    browser: httpx.Client, key: AccessKey, wrong: str
) -> None:
    form = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
    if wrong in {"id", "both"}:
        form["access_key_id"] = "LTAInobody"
    if wrong in {"secret", "both"}:
        form["access_key_secret"] = "wrong"  # noqa: S105 - no secret
    answer = browser.post("/sign-in", data={"next": ""} if wrong == "none" else form)
    assert answer.status_code == 401
    assert "The AccessKeyId or its AccessKeySecret is wrong" in answer.text
    assert key.secret not in answer.text
    assert not is_signed_in(browser)


def test_a_secret_in_the_wrong_field_is_not_repeated(browser: httpx.Client, key: AccessKey) -> None:
    form = {"access_key_id": key.secret, "access_key_secret": key.access_key_id}
    assert key.secret not in browser.post("/sign-in", data=form).text


def test_failed_sign_ins_count_as_failed_log_ins(make_server: Callable[..., LocalServer]) -> None:
    server = make_server(settings={"OTPCONV_LIMIT_FAILED_LOGINS": "3/h"})
    server.start()
    key = administrator(server)
    with client(server) as browser:
        for _ in range(3):
            assert browser.post("/sign-in", data={"access_key_id": "LTAIx"}).status_code == 401
        answer = sign_in(browser, key)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 1000
        assert browser.get("/sign-in", params={"token": "guess"}).status_code == 429
        assert httpx.get(f"{server.url}/v1/rates", auth=(key.access_key_id, key.secret)).status_code == 429


def test_a_failed_sign_in_leaves_a_line_in_the_audit_trail_without_its_secret(
    make_server: Callable[..., LocalServer],
) -> None:
    server = make_server()
    server.start()
    with client(server) as browser:
        browser.post(
            "/sign-in", data={"access_key_id": "LTAInobody", "access_key_secret": "s3cret-of-nobody"}
        )
        browser.get("/sign-in", params={"token": "guessed-token"})
    server.stop()
    text = (server.data / "audit.ndjson").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    refused = [line for line in lines if line["what"] == "SignIn"]
    assert [(line["who"], line["outcome"]) for line in refused] == [
        ("LTAInobody", "BadCredentials"),
        ("", "BadCredentials"),
    ]
    for file in (server.data / "audit.ndjson", server.log):
        assert "s3cret-of-nobody" not in file.read_text(encoding="utf-8")
        assert "guessed-token" not in file.read_text(encoding="utf-8")


def test_who_signs_out_is_out_with_every_copy_of_the_cookie(browser: httpx.Client, key: AccessKey) -> None:
    sign_in(browser, key)
    copy = dict(browser.cookies)
    answer = browser.post("/sign-out", data={"form_token": token_of(browser.get(HOME))})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert not is_signed_in(browser)
    browser.cookies.update(copy)
    assert not is_signed_in(browser)


def test_a_cookie_that_was_signed_out_stays_so_when_the_server_is_killed_right_after(
    make_server: Callable[..., LocalServer],
) -> None:
    server = make_server()
    server.start()
    port = int(server.url.rpartition(":")[2])
    key = administrator(server)
    with client(server, origin=server.url) as browser, client(server) as other:
        sign_in(browser, key)
        sign_in(other, key)
        copies = [dict(browser.cookies), dict(other.cookies)]
        answer = browser.post("/sign-out", data={"form_token": token_of(browser.get(HOME))})
        server.kill()
    assert answer.status_code == 303
    again = LocalServer(server.data, port=port)
    with again:
        signed_in = []
        for copy in copies:
            with client(again) as browser:
                browser.cookies.update(copy)
                signed_in.append(is_signed_in(browser))
    assert signed_in == [False, True]


def test_enabling_a_key_again_brings_no_old_sign_in_back(make_server: Callable[..., LocalServer]) -> None:
    server = make_server()
    server.start()
    port = int(server.url.rpartition(":")[2])
    key = administrator(server)
    with client(server) as browser, closing(open_key_store(load(data=server.data))) as store:
        sign_in(browser, key)
        copy = dict(browser.cookies)
        for active in (False, True):
            store.set_active(key.access_key_id, active=active)
        deadline = time.monotonic() + 5
        while is_signed_in(browser) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not is_signed_in(browser)
        sign_in(browser, key)
        assert is_signed_in(browser)
    server.kill()
    again = LocalServer(server.data, port=port)
    with again, client(again) as browser:
        browser.cookies.update(copy)
        assert not is_signed_in(browser)


def test_a_link_that_was_followed_is_no_good_after_a_restart_either(tmp_path: Path) -> None:
    used = ""
    for _ in range(2):
        ours, theirs = pty.openpty()
        with subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "otpconv", "serve", "--port", "0", "--data", str(tmp_path / "data")],
            stdout=theirs,
            stderr=subprocess.DEVNULL,
        ) as process:
            os.close(theirs)
            said = b""
            while (found := re.search(rb"(http\S+)/sign-in\?token=(\S+)\s", said)) is None:
                said += os.read(ours, 4096)
            url, token = (part.decode() for part in found.groups())
            with httpx.Client(base_url=url) as browser:
                if used:
                    assert browser.get("/sign-in", params={"token": used}).status_code == 401
                assert browser.get("/sign-in", params={"token": token}).status_code == 303
                assert browser.get("/sign-in", params={"token": token}).status_code == 401
            process.kill()
            os.close(ours)
        used = token


@pytest.mark.parametrize("end", ["disable", "delete"])
def test_a_key_that_is_disabled_or_deleted_ends_its_sign_ins(
    server: LocalServer, browser: httpx.Client, make_key: Callable[..., AccessKey], end: str
) -> None:
    key = make_key("OtpconvReadOnly")
    sign_in(browser, key)
    assert is_signed_in(browser)
    with closing(open_key_store(load(data=server.data))) as store:
        if end == "disable":
            store.set_active(key.access_key_id, active=False)
        else:
            store.delete(key.access_key_id)
    deadline = time.monotonic() + 5
    while is_signed_in(browser) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_signed_in(browser)


def test_a_sign_in_survives_a_restart(make_server: Callable[..., LocalServer]) -> None:
    server = make_server()
    server.start()
    with client(server) as browser:
        sign_in(browser, administrator(server))
        cookie = dict(browser.cookies)
    port = server.url.rpartition(":")[2]
    server.stop()
    again = LocalServer(server.data, port=int(port))
    with again, client(again) as browser:
        browser.cookies.update(cookie)
        assert is_signed_in(browser)


def test_a_changed_cookie_is_none(browser: httpx.Client, key: AccessKey) -> None:
    sign_in(browser, key)
    ((name, value),) = browser.cookies.items()
    sealed = bytearray(urlsafe_b64decode(value + "=" * (-len(value) % 4)))
    for place in (0, 5, 20, len(sealed) - 1):
        sealed[place] ^= 1
        browser.cookies.set(name, urlsafe_b64encode(sealed).decode().rstrip("="))
        sealed[place] ^= 1
        assert not is_signed_in(browser)
    for rubbish in ("", "x", "AA", "%00", "é".encode().hex()):
        browser.cookies.set(name, rubbish)
        assert not is_signed_in(browser)


# Where a sign-in leads to.


def test_who_is_not_signed_in_comes_back_after_it(browser: httpx.Client, key: AccessKey) -> None:
    answer = browser.get("/explorer/SmsConversion?signature=V1")
    wanted = "/explorer/SmsConversion?signature=V1"
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/sign-in?next={quote(wanted, safe='/')}",
    )
    assert quote(wanted, safe="/?=") in browser.get(answer.headers["location"]).text
    assert sign_in(browser, key, next=wanted).headers["location"] == wanted


@pytest.mark.parametrize(
    "after",
    [
        "https://evil.example/",
        "//evil.example/explorer",
        "/\\evil.example",
        "/explorer\\..",
        "javascript:alert(1)",
        "/v1/rates",
        "/explorer\r\nx: y",
        "explorer",
        "",
        "/",
    ],
)
def test_a_sign_in_leads_to_pages_of_ours_only(browser: httpx.Client, key: AccessKey, after: str) -> None:
    assert sign_in(browser, key, next=after).headers["location"] == HOME


# Other sites.


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_refused(
    server: LocalServer, key: AccessKey, headers: dict[str, str]
) -> None:
    with client(server) as browser:
        form = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
        answer = browser.post("/sign-in", data=form, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert "ForeignForm" in answer.text


@pytest.mark.parametrize("form", [{}, {"form_token": ""}, {"form_token": "guess"}, {"form_token": "é"}])
def test_a_form_without_the_token_of_the_sign_in_is_refused(
    browser: httpx.Client, key: AccessKey, form: dict[str, str]
) -> None:
    sign_in(browser, key)
    assert browser.post("/sign-out", data=form).status_code == 403
    assert is_signed_in(browser)


def test_a_token_of_another_sign_in_is_refused(
    server: LocalServer, browser: httpx.Client, key: AccessKey
) -> None:
    sign_in(browser, key)
    with client(server) as other:
        sign_in(other, key)
        assert browser.post("/sign-out", data={"form_token": token_of(other.get(HOME))}).status_code == 403


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"", "multipart/form-data; boundary=x", 415),
        (b"a=%ff", "application/x-www-form-urlencoded", 400),
        (b"\xff=1", "application/x-www-form-urlencoded", 400),
        (b"&".join([b"a=1"] * 300), "application/x-www-form-urlencoded", 400),
        (b"a=" + b"x" * 300_000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_what_is_no_form_is_refused(browser: httpx.Client, content: bytes, kind: str, status: int) -> None:
    answer = browser.post("/sign-in", content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


# Which pages are open.

OPEN = {"/sign-in", "/errors", "/errors/{code}", "/errors/{vendor}/{code}", "/static/{name}"}


async def made(folder: Path) -> Pages:
    async with running(folder) as (_, pages):
        return pages


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Service, Pages]]:
    settings = load(data=folder)
    service = Service(settings)
    await service.start()
    gate, nobody = Gate(settings, AuditLog(folder)), PlainTextResponse("nobody")
    pages = Pages(service, Bodies(gate.peers), gate, app=nobody, public_url="http://otp.example")
    try:
        yield service, pages
    finally:
        await service.stop()


async def seen_by(policy: str, folder: Path) -> httpx.Response:
    """What a page that needs otpconv:QueryRates answers to somebody with a policy."""

    async def rates(_: Request, visitor: Visitor) -> Response:
        return PlainTextResponse(f"rates for {visitor.key.user}")

    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, OtpconvError)
        return pages.problem(request, error) or PlainTextResponse("?")

    async with running(folder) as (service, pages):
        with closing(open_key_store(load(data=folder))) as store:
            key = store.create("default", "olga", policy)
        service.keys.refresh()
        pages.pages.append(Page("/rates", "GET", rates, "otpconv:QueryRates"))
        app = Starlette(routes=pages.routes(), exception_handlers={OtpconvError: problem})
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=PAGE) as browser:
            form = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
            await browser.post("/sign-in", data=form)
            return await browser.get("/rates")


def test_a_page_with_an_action_is_for_those_whose_policies_allow_it(tmp_path: Path) -> None:
    allowed = asyncio.run(seen_by("OtpconvReadOnly", tmp_path / "allowed"))
    assert (allowed.status_code, allowed.text) == (200, "rates for olga")
    denied = asyncio.run(seen_by("OtpconvReportOnly", tmp_path / "denied"))
    assert denied.status_code == 403
    assert "This page needs the action <code>otpconv:QueryRates</code>" in denied.text
    assert "otpconv users attach olga POLICY" in denied.text
    audit = (tmp_path / "denied" / "audit.ndjson").read_text(encoding="utf-8")
    assert '"what":"otpconv:QueryRates","outcome":"AccessDenied"' in audit


def test_no_other_page_answers_who_is_not_signed_in(server: LocalServer, tmp_path: Path) -> None:
    asked = 0
    for route in asyncio.run(made(tmp_path / "data")).routes():
        if route.path in OPEN:
            continue
        path = re.sub(r"\{[^}]*\}", "SmsConversion", route.path)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            answer = httpx.request(method, server.url + path, headers=PAGE)
            assert answer.status_code == (303 if method == "GET" else 401), path
            asked += 1
    assert asked > 3


# What every page carries.


@pytest.mark.parametrize(
    "path", ["/sign-in", "/errors", "/errors/NoPermission", "/errors/Nonsense", "/nothing"]
)
def test_every_page_forbids_what_it_does_not_need(browser: httpx.Client, path: str) -> None:
    headers = browser.get(path).headers
    policy = dict(part.partition(" ")[::2] for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/sign-in", "/errors", "/errors/NoPermission"])
def test_no_page_has_scripts_or_styles_in_its_text(browser: httpx.Client, path: str) -> None:
    text = browser.get(path).text
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", text) == []
    assert re.findall(r"<script(?![^>]* src=)", text) == []
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", text) == []


def test_our_files_are_kept_for_long_under_names_that_change_with_them(browser: httpx.Client) -> None:
    text = browser.get("/sign-in").text
    found = set(re.findall(r'"(/static/[^"]+)"', text))
    assert {re.sub(r"\.[0-9a-f]{12}\.", ".", each) for each in found} == {
        "/static/icon.svg",
        "/static/otpconv.css",
        "/static/otpconv.js",
    }
    for each in found:
        answer = browser.get(each)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert browser.get("/static/otpconv.css").status_code == 404
    assert browser.get("/static/../pages/forms.py").status_code == 404


def test_a_file_has_the_same_address_in_every_process() -> None:
    assert StaticFiles().url("otpconv.css") == StaticFiles().url("otpconv.css")


def test_a_person_gets_a_page_and_a_program_a_problem(server: LocalServer) -> None:
    for path, status in (("/nothing", 404), ("/errors/Nonsense", 404)):
        page = httpx.get(server.url + path, headers=PAGE)
        problem = httpx.get(server.url + path)
        assert page.status_code == problem.status_code == status
        assert page.headers["content-type"].startswith("text/html")
        assert problem.headers["content-type"] == "application/problem+json"
    assert httpx.get(f"{server.url}{HOME}").json()["code"] == "BadCredentials"
    api = httpx.get(f"{server.url}/v1/rates", headers=PAGE)
    assert api.headers["content-type"] == "application/problem+json"
    assert httpx.get(f"{server.url}{HOME}", headers=PAGE).headers.get("www-authenticate") is None


@pytest.mark.parametrize(
    "origin",
    ["http://[", "http://[::1", "//[", "http://x:99999", "http://\u00e9", "null", "", "http://", "://", "]["],
)
def test_an_origin_that_is_none_is_a_foreign_page_and_no_failure(browser: httpx.Client, origin: str) -> None:
    answer = browser.post("/sign-in", data={}, headers={"origin": origin.encode()})
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["[", "[::1", "x:99999", "x:", "a]b", "x:y", ":1", "x:80:90", "@", "%00"])
@pytest.mark.parametrize("path", ["/sign-in", "/dashboard", "/errors", "/nothing", "/explorer/diagnosis"])
def test_no_host_makes_a_page_fail(server: LocalServer, host: str, path: str) -> None:
    with client(server, host=host) as browser:
        assert browser.get(path).status_code in {200, 303, 400, 404}
        assert browser.post("/sign-in", data={"access_key_id": "x"}).status_code in {400, 401, 403}
        assert httpx.get(server.url + path, headers={"host": host}).status_code in {200, 400, 401, 404}


@pytest.mark.parametrize(
    "after",
    ["//[", "//evil.example", "/\\\\evil", "/dashboard//[", "[", "http://[", "/dashboardx", "/dash\tboard"],
)
def test_a_sign_in_leads_to_our_pages_only_whatever_is_asked_for(
    browser: httpx.Client, key: AccessKey, after: str
) -> None:
    assert browser.get("/sign-in", params={"next": after}).status_code == 200
    answer = sign_in(browser, key, next=after)
    assert (answer.status_code, answer.headers["location"]) == (303, HOME)


@pytest.mark.parametrize("after", ["/dashboard?by=provider", "/explorer/SmsConversion", "/errors#x"])
def test_a_sign_in_leads_on_to_the_page_that_was_asked_for(
    browser: httpx.Client, key: AccessKey, after: str
) -> None:
    assert sign_in(browser, key, next=after).headers["location"] == after

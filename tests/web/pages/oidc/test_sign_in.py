"""Signing in through an identity provider, and everything that must not sign in."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from msgspec import msgpack

from audited import audited
from otpconv.access.keys import AccessKey
from otpconv.access.sealing import to_text
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.service.opening import open_directory, open_sealer
from otpconv.web.pages.oidc.page import FLOW_MS
from otpconv.web.pages.oidc.provider import Flow
from web.pages.oidc.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider
from web.wire import NO_TLS, administrator, send, v3

START = "/sign-in/provider"
CALLBACK = "/sign-in/provider/callback"


@pytest.fixture(scope="module")
def shared() -> Iterator[IdentityProvider]:
    with IdentityProvider().running() as running:
        yield running


@pytest.fixture(scope="module")
def office(shared: IdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server with a user olga@shop.example, who has no key."""
    data = tmp_path_factory.mktemp("oidc") / "data"
    add_user(data, "olga@shop.example", "OtpconvReadOnly")
    with LocalServer(data, settings(shared)) as running:
        yield running


@pytest.fixture
def provider(shared: IdentityProvider) -> Iterator[IdentityProvider]:
    """The provider, which behaves well again afterwards."""
    before = dict(shared.claims)
    yield shared
    shared.claims, shared.behaves = before, {}


def settings(provider: IdentityProvider, **more: str) -> dict[str, str]:
    return {
        "OTPCONV_OIDC_ISSUER": provider.issuer,
        "OTPCONV_OIDC_CLIENT_ID": CLIENT_ID,
        "OTPCONV_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "OTPCONV_LIMIT_FAILED_LOGINS": "off",
        **more,
    }


def add_user(data: Path, name: str, policy: str) -> None:
    """Add a user; a running server sees it within a quarter of a second."""
    with closing(open_directory(load(data=data))) as directory:
        directory.create_user("default", name)
        directory.attach("user", "default", name, policy)


def cookie_name(server: LocalServer) -> str:
    return f"otpconv-{urlsplit(server.url).port}-provider"


def browser_of(server: LocalServer) -> httpx.Client:
    headers = {"accept": "text/html", "origin": server.url}
    return httpx.Client(base_url=server.url, headers=headers, verify=NO_TLS, timeout=30)


def back(browser: httpx.Client, after: str = "/dashboard") -> str:
    """Go to the provider, and return the URL that it sends the browser back to."""
    there = browser.get(START, params={"next": after})
    assert there.status_code == 303, there.text
    return str(httpx.get(there.headers["location"]).headers["location"])


def sign_in(browser: httpx.Client, after: str = "/dashboard") -> httpx.Response:
    return browser.get(back(browser, after))


def refused(server: LocalServer, status: int, text: str) -> None:
    """Sign in, and find that nobody is signed in, and why."""
    with browser_of(server) as browser:
        answer = sign_in(browser)
        assert (answer.status_code, text in answer.text) == (status, True), answer.text
        assert browser.get("/dashboard").status_code == 303


# Sign-ins that succeed.


def test_somebody_without_a_key_signs_in_and_out(office: LocalServer, provider: IdentityProvider) -> None:
    with browser_of(office) as browser:
        host = urlsplit(provider.issuer).hostname
        assert f"Sign in with {host}" in browser.get("/sign-in").text
        answer = sign_in(browser, "/dashboard?by=provider")
        assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard?by=provider")
        page = browser.get("/dashboard")
        assert page.status_code == 200
        assert "olga@shop.example" in page.text
        assert browser.get("/administration/users").status_code == 403  # as her policy says
        copy = dict(browser.cookies)
        token = page.text.partition('name="form_token" value="')[2].partition('"')[0]
        assert browser.post("/sign-out", data={"form_token": token}).status_code == 303
        browser.cookies.update(copy)
        assert browser.get("/dashboard").status_code == 303


def test_somebody_without_a_key_calls_only_the_sandbox(
    office: LocalServer, provider: IdentityProvider
) -> None:
    assert provider.issuer
    with browser_of(office) as browser:
        sign_in(browser)
        for path in ("/explorer/SmsConversion", "/explorer/v1/recordMessages", "/explorer/v1/getRates"):
            page = browser.get(path).text
            assert "you can call only in the sandbox" in page
            assert 'value="own"' not in page
            token = page.partition('name="form_token" value="')[2].partition('"')[0]
            for where, works in (("sandbox", True), ("own", False)):
                fields = {"form_token": token, "where": where, "do": "call", "signature": "V3"}
                answer = browser.post(path, data=fields)
                assert answer.status_code == 200
                assert (">HTTP 401<" in answer.text or "InvalidAccessKeyId" in answer.text) is not works


def test_without_the_provider_in_the_settings_its_sign_ins_are_over(
    office: LocalServer, provider: IdentityProvider, make_server: Callable[..., LocalServer], tmp_path: Path
) -> None:
    assert provider.issuer
    with browser_of(office) as browser:
        sign_in(browser)
        [(name, cookie)] = dict(browser.cookies).items()
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    for file in ("access.sqlite", "access.sqlite-wal", "journal.sqlite", "journal.sqlite-wal", "sealing.key"):
        shutil.copy2(office.data / file, copy / file)
    server = make_server(data=copy)
    server.start()
    name = name.replace(str(urlsplit(office.url).port), str(urlsplit(server.url).port))
    with browser_of(server) as browser:
        browser.cookies.set(name, cookie)
        assert browser.get("/dashboard").status_code == 303


def test_a_sign_in_has_a_line_in_the_audit_trail_and_no_secret_is_written(
    office: LocalServer, provider: IdentityProvider
) -> None:
    with browser_of(office) as browser:
        url = back(browser)
        browser.get(url)
    text = (office.data / "audit.ndjson").read_text()
    line = audited(office.data)[-1]
    assert (line["who"], line["what"], line["outcome"]) == ("user/1/olga@shop.example", "SignIn", "done")
    assert (line["subject"], line["user"], line["from"]) == ("sub s-1", "olga@shop.example", "127.0.0.1")
    verifier = provider.tokens[-1]["code_verifier"]
    for secret in (CLIENT_SECRET, parse_qs(urlsplit(url).query)["code"][0], verifier):
        assert secret not in text + office.log.read_text()


# Redirects that must not sign in.


def test_a_redirect_belongs_to_the_browser_that_began(
    office: LocalServer, provider: IdentityProvider
) -> None:
    with browser_of(office) as browser, browser_of(office) as other:
        url = back(browser)
        for who in (other, browser):
            answer = who.get(url.replace("state=", "state=x"))
            assert answer.status_code == 401
            assert "belongs to no sign-in that began in this browser" in answer.text
        back(other)
        assert other.get(url).status_code == 401  # the state of another browser
    assert provider.called


def test_a_code_is_good_once(office: LocalServer, provider: IdentityProvider) -> None:
    with browser_of(office) as browser:
        url = back(browser)
        cookies = dict(browser.cookies)
        assert browser.get(url).status_code == 303
        assert cookie_name(office) not in browser.cookies
    provider.called.clear()
    with browser_of(office) as browser:  # somebody who has copied the cookies and the URL
        browser.cookies.update(cookies)
        answer = browser.get(url)
        assert answer.status_code == 401
        assert "was completed before" in answer.text
        assert browser.get("/dashboard").status_code == 303
    assert provider.called == []


def test_a_code_that_the_provider_does_not_know_is_refused(
    office: LocalServer, provider: IdentityProvider
) -> None:
    assert provider.issuer
    with browser_of(office) as browser:
        answer = browser.get(re.sub("code=[^&]+", "code=guessed", back(browser)))
        assert answer.status_code == 401
        assert "refused the sign-in (invalid_grant)" in answer.text
        assert "<b>" not in answer.text


@pytest.mark.parametrize(
    ("age_ms", "text"), [(FLOW_MS, "longer than 10 minutes"), (-60_000, "longer than"), (0, "refused")]
)
def test_a_sign_in_that_takes_too_long_is_over(office: LocalServer, age_ms: int, text: str) -> None:
    flow = Flow(f"state{age_ms}", "nonce", "verifier", "/dashboard", wall_clock() - age_ms)
    sealed = open_sealer(load(data=office.data)).seal(msgpack.encode(flow), b"identity provider")
    headers = {"accept": "text/html", "cookie": f"{cookie_name(office)}={to_text(sealed)}"}
    answer = httpx.get(f"{office.url}{CALLBACK}?state={flow.state}&code=x", headers=headers)
    assert (answer.status_code, text in answer.text) == (401, True), answer.text


def test_the_cookie_of_a_sign_in_can_only_be_set_by_this_host_and_not_read_by_scripts(
    make_server: Callable[..., LocalServer], provider: IdentityProvider
) -> None:
    server = make_server(settings=settings(provider, OTPCONV_TRUSTED_PROXIES="127.0.0.1"))
    server.start()
    with browser_of(server) as browser:
        plain = browser.get(START).headers["set-cookie"]
        secure = browser.get(START, headers={"x-forwarded-proto": "https"}).headers["set-cookie"]
    assert plain.startswith(f"{cookie_name(server)}=")
    assert secure.startswith(f"__Host-{cookie_name(server)}=")
    assert "; Secure" in secure
    for cookie in (plain, secure):
        assert {"HttpOnly", "Path=/", "SameSite=lax", "Max-Age=600"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


@pytest.mark.parametrize(
    "query",
    ["error=access_denied", "code=", "iss=https%3A%2F%2Fevil.example&code=x", f"code={'x' * 5000}", ""],
)
def test_an_answer_without_a_code_signs_nobody_in(
    office: LocalServer, provider: IdentityProvider, query: str
) -> None:
    with browser_of(office) as browser:
        state = parse_qs(urlsplit(back(browser)).query)["state"][0]
        provider.called.clear()
        assert browser.get(f"{CALLBACK}?state={state}&{query}").status_code == 401
        assert provider.called == []


@pytest.mark.parametrize("cookie", ["", "x", "AAAA", "é".encode().hex(), "x" * 5_000])
def test_a_damaged_cookie_signs_nobody_in(office: LocalServer, cookie: str) -> None:
    headers = {"accept": "text/html", "cookie": f"{cookie_name(office)}={cookie}"}
    assert httpx.get(f"{office.url}{CALLBACK}?state=x&code=y", headers=headers).status_code == 401


@pytest.mark.parametrize(
    "after",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/dashboard//evil.example",
        "/dashboard\t/../..//evil.example",
        "/dashboardx",
        "javascript:alert(1)",
        "/sign-in/provider",
        "/v1/rates",
    ],
)
def test_a_sign_in_leads_to_our_pages_only(
    office: LocalServer, provider: IdentityProvider, after: str
) -> None:
    with browser_of(office) as browser:
        assert sign_in(browser, after).headers["location"] == "/dashboard"
    assert provider.called


def test_failed_sign_ins_count_as_failed_logins_but_not_visits_that_another_site_causes(
    make_server: Callable[..., LocalServer], provider: IdentityProvider
) -> None:
    server = make_server(settings=settings(provider, OTPCONV_LIMIT_FAILED_LOGINS="3/h"))
    server.start()
    with browser_of(server) as browser:
        for _ in range(10):
            assert browser.get(f"{CALLBACK}?state=x&code=y").status_code == 401
        for _ in range(3):
            answer = browser.get(re.sub("code=[^&]+", "code=guessed", back(browser)))
            assert answer.status_code == 401
        assert browser.get(f"{CALLBACK}?state=x").status_code == 429
        assert browser.get(START).status_code == 429


# Whom an identity belongs to.


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ({"email": "nobody@shop.example"}, "the claim &#34;email&#34; is &#34;nobody@shop.example&#34;"),
        ({"email": None}, "no usable claim &#34;email&#34;"),
        ({"email_verified": False}, "has verified the address"),
        ({"email": "<script>alert(1)</script>"}, "&lt;script&gt;"),
        ({"sub": "<b>\n" * 1_000, "email": "x"}, "no user of otpconv"),
    ],
)
def test_an_identity_that_is_nobody_is_refused_by_a_text_that_names_the_claim(
    office: LocalServer, provider: IdentityProvider, claims: dict[str, object], text: str
) -> None:
    provider.claims |= claims
    refused(office, 401, text)


def test_a_deleted_user_is_out_and_a_new_one_of_the_same_name_inherits_nothing(
    office: LocalServer, provider: IdentityProvider, eventually: Callable[..., None]
) -> None:
    provider.claims |= {"email": "ivan@shop.example"}
    add_user(office.data, "ivan@shop.example", "OtpconvReadOnly")
    with browser_of(office) as browser, browser_of(office) as newer:
        eventually(lambda: sign_in(browser).status_code, 303)
        assert browser.get("/dashboard").status_code == 200
        with closing(open_directory(load(data=office.data))) as directory:
            directory.delete("user", "default", "ivan@shop.example")
        eventually(lambda: browser.get("/dashboard").status_code, 303)
        add_user(office.data, "ivan@shop.example", "AdministratorAccess")
        eventually(lambda: sign_in(newer).status_code, 303)
        assert newer.get("/administration/users").status_code == 200
        assert browser.get("/dashboard").status_code == 303


def test_nobody_can_call_as_a_user_without_a_key(office: LocalServer) -> None:
    admin = administrator(office)
    for secret in ("", "x"):
        who = AccessKey(
            access_key_id="user/1/olga@shop.example",
            secret=secret,
            user="olga@shop.example",
            account=1,
            account_name="default",
            grants=admin.grants,
            active=True,
            created_at=0,
        )
        assert httpx.get(f"{office.url}/v1/rates", auth=(who.access_key_id, secret)).status_code == 401
        reply = send(office.url, v3(who, {"MessageId": "1", "Delivered": "true"}))
        assert reply.status == 404 or "AccessKeyId" in json.dumps(reply.json)
        form = {"access_key_id": who.access_key_id, "access_key_secret": secret}
        with browser_of(office) as browser:
            assert browser.post("/sign-in", data=form).status_code == 401


# A provider in trouble.


def test_while_a_provider_hangs_keys_sign_in_and_nobody_waits(
    office: LocalServer, provider: IdentityProvider
) -> None:
    provider.behaves["/token"] = "hanging"
    with browser_of(office) as browser, ThreadPoolExecutor(1) as thread:
        url = back(browser)
        provider.called.clear()
        waiting = thread.submit(browser.get, url)
        with browser_of(office) as other:
            while "/token" not in provider.called:
                assert other.get("/healthz").status_code == 200
            key = administrator(office)
            form = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
            assert other.post("/sign-in", data=form).status_code == 303
        assert not waiting.done()
        provider.over.set()  # the provider ends the connection
        answer = waiting.result()
        provider.over.clear()
    assert answer.status_code == 503
    assert "The identity provider can&#39;t be used now" in answer.text

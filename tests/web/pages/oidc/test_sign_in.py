"""Signing in through an identity provider, and everything that must not sign in."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.service.compose import open_directory
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
    with LocalServer(tmp_path_factory.mktemp("oidc") / "data", settings(shared)) as running:
        add_user(running, "olga@shop.example", "OtpconvReadOnly")
        yield running


@pytest.fixture
def provider(shared: IdentityProvider) -> Iterator[IdentityProvider]:
    """The provider, which behaves well again afterwards."""
    before = dict(shared.claims)
    yield shared
    shared.claims, shared.configuration, shared.behaves = before, {}, {}
    shared.algorithm, shared.sends = "RS256", None


def settings(provider: IdentityProvider, **more: str) -> dict[str, str]:
    return {
        "OTPCONV_OIDC_ISSUER": provider.issuer,
        "OTPCONV_OIDC_CLIENT_ID": CLIENT_ID,
        "OTPCONV_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "OTPCONV_LIMIT_FAILED_LOGINS": "off",
        **more,
    }


def add_user(server: LocalServer, name: str, policy: str, account: str = "default") -> None:
    with closing(open_directory(load(data=server.data))) as directory:
        directory.create_user(account, name)
        directory.attach("user", account, name, policy)
    time.sleep(0.6)  # until the server has seen it: it looks every quarter of a second


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


# What is right.


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


def test_a_sign_in_has_a_line_in_the_audit_trail_and_no_secret_is_written(
    office: LocalServer, provider: IdentityProvider
) -> None:
    with browser_of(office) as browser:
        url = back(browser)
        browser.get(url)
    text = (office.data / "audit.ndjson").read_text()
    line = json.loads(text.splitlines()[-1])
    assert (line["who"], line["what"], line["outcome"]) == ("user/1/olga@shop.example", "SignIn", "done")
    assert (line["subject"], line["user"], line["from"]) == ("sub s-1", "olga@shop.example", "127.0.0.1")
    verifier = provider.tokens[-1]["code_verifier"]
    for secret in (CLIENT_SECRET, parse_qs(urlsplit(url).query)["code"][0], verifier):
        assert secret not in text + office.log.read_text()


@pytest.mark.parametrize("algorithm", ["RS512", "PS256", "ES256"])
def test_a_provider_may_sign_with_any_usual_algorithm(
    office: LocalServer, provider: IdentityProvider, algorithm: str
) -> None:
    provider.algorithm = algorithm
    with browser_of(office) as browser:
        assert sign_in(browser).status_code == 303


def test_the_keys_are_kept_and_fetched_again_once_they_change(
    office: LocalServer, provider: IdentityProvider
) -> None:
    with browser_of(office) as browser:
        sign_in(browser)
        provider.called.clear()
        assert sign_in(browser).status_code == 303
        assert provider.called == ["/token"]
        provider.rotate()
        assert sign_in(browser).status_code == 303
        assert provider.called.count("/keys") == 1


def test_clocks_may_differ_by_a_minute(office: LocalServer, provider: IdentityProvider) -> None:
    now = int(time.time())  # noqa: TID251
    provider.claims |= {"iat": now + 40, "exp": now + 100, "nbf": now + 40}
    with browser_of(office) as browser:
        assert sign_in(browser).status_code == 303
        provider.claims |= {"iat": now - 200, "exp": now - 30, "nbf": now - 200}
        assert sign_in(browser).status_code == 303


# What is wrong with the token.


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another client"},
        {"aud": ["another", "third"]},
        {"aud": [CLIENT_ID, "another"]},  # without azp
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"azp": "another"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1_600_000_000},
        {"exp": None},
        {"exp": "tomorrow"},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
        {"iat": None},
        {"sub": None},
        {"at_hash": "wrong"},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(
    office: LocalServer, provider: IdentityProvider, claims: dict[str, object]
) -> None:
    provider.claims |= claims
    refused(office, 401, "is not valid for this sign-in")


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_that_only_the_provider_could_not_have_made_is_refused(
    office: LocalServer, provider: IdentityProvider, algorithm: str
) -> None:
    provider.algorithm = algorithm
    refused(office, 401, "its signature is wrong")


@pytest.mark.parametrize("token", ["x", "a.b.c", "....", "{}", "é", "e30.e30.e30"])
def test_what_is_no_token_is_refused(office: LocalServer, provider: IdentityProvider, token: str) -> None:
    provider.sends = token
    refused(office, 401, "is not valid for this sign-in")


def test_a_token_of_another_provider_is_refused(office: LocalServer, provider: IdentityProvider) -> None:
    other = IdentityProvider()
    other.issuer = provider.issuer
    with browser_of(office) as browser:
        there = browser.get(START)
        query = parse_qs(urlsplit(there.headers["location"]).query)
        provider.sends = other.id_token(query["nonce"][0])
        url = httpx.get(there.headers["location"]).headers["location"]
        answer = browser.get(url)
        assert (answer.status_code, "its signature is wrong" in answer.text) == (401, True)
    other._server.server_close()  # noqa: SLF001 - never served


# What is wrong with the way.


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
        assert "otpconv-provider" not in browser.cookies
    assert provider.tokens
    with browser_of(office) as browser:
        browser.cookies.update(cookies)
        answer = browser.get(url)
        assert answer.status_code == 401
        assert "refused the sign-in (invalid_grant)" in answer.text
        assert "<b>" not in answer.text


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
    headers = {"accept": "text/html", "cookie": f"otpconv-provider={cookie}"}
    assert httpx.get(f"{office.url}{CALLBACK}?state=x&code=y", headers=headers).status_code == 401


@pytest.mark.parametrize("after", ["https://evil.example", "//evil.example", "/v1/rates"])
def test_a_sign_in_leads_to_our_pages_only(
    office: LocalServer, provider: IdentityProvider, after: str
) -> None:
    with browser_of(office) as browser:
        assert sign_in(browser, after).headers["location"] == "/dashboard"
    assert provider.called


def test_failed_sign_ins_count_as_failed_log_ins(
    make_server: Callable[..., LocalServer], provider: IdentityProvider
) -> None:
    server = make_server(settings=settings(provider, OTPCONV_LIMIT_FAILED_LOGINS="3/h"))
    server.start()
    with browser_of(server) as browser:
        for _ in range(3):
            assert browser.get(f"{CALLBACK}?state=x").status_code == 401
        assert browser.get(f"{CALLBACK}?state=x").status_code == 429
        assert browser.get(START).status_code == 429


# Whom an identity belongs to.


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ({"email": "nobody@shop.example"}, "the claim &#34;email&#34; is &#34;nobody@shop.example&#34;"),
        ({"email": None}, "no usable claim &#34;email&#34;"),
        ({"email": 7}, "no usable claim &#34;email&#34;"),
        ({"email": ["x"] * 600}, "no usable claim &#34;email&#34;"),
        ({"email_verified": False}, "has not verified the address"),
        ({"email": "<script>"}, "&lt;script&gt;"),
    ],
)
def test_an_identity_that_is_nobody_is_refused_by_a_text_that_names_the_claim(
    office: LocalServer, provider: IdentityProvider, claims: dict[str, object], text: str
) -> None:
    provider.claims |= claims
    refused(office, 401, text)


def test_groups_map_to_users_and_the_first_entry_wins(
    make_server: Callable[..., LocalServer], provider: IdentityProvider
) -> None:
    mapping = "admins=root,staff=olga,ghosts=ghost"
    more = {"OTPCONV_OIDC_CLAIM": "groups", "OTPCONV_OIDC_USERS": mapping, "OTPCONV_OIDC_ACCOUNT": "shop"}
    server = make_server(settings=settings(provider, **more))
    server.start()
    add_user(server, "root", "AdministratorAccess", "shop")
    add_user(server, "olga", "OtpconvReadOnly", "shop")
    for groups, user in ((["staff", "admins"], "root"), (["staff"], "olga"), ("staff", "olga")):
        provider.claims["groups"] = groups
        with browser_of(server) as browser:
            assert sign_in(browser).status_code == 303
            assert f"</span>{user}<span" in browser.get("/dashboard").text
    for groups, text in ((["ghosts"], "there is no such"), (["root"], "no user of otpconv belongs to you")):
        provider.claims["groups"] = groups
        refused(server, 401, text)


def test_a_deleted_user_is_out_and_a_new_one_of_the_same_name_inherits_nothing(
    make_server: Callable[..., LocalServer], provider: IdentityProvider
) -> None:
    server = make_server(settings=settings(provider))
    server.start()
    add_user(server, "olga@shop.example", "OtpconvReadOnly")
    with browser_of(server) as browser:
        sign_in(browser)
        assert browser.get("/dashboard").status_code == 200
        with closing(open_directory(load(data=server.data))) as directory:
            directory.delete("user", "default", "olga@shop.example")
        time.sleep(0.6)
        assert browser.get("/dashboard").status_code == 303
        add_user(server, "olga@shop.example", "AdministratorAccess")
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


@pytest.mark.parametrize("behavior", ["down", "huge", "compressed", "redirecting", "rubbish"])
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
def test_a_provider_in_trouble_is_said_so_and_keys_still_sign_in(
    make_server: Callable[..., LocalServer], provider: IdentityProvider, path: str, behavior: str
) -> None:
    server = make_server(settings=settings(provider))
    server.start()
    add_user(server, "olga@shop.example", "OtpconvReadOnly")
    provider.behaves[path] = behavior
    with browser_of(server) as browser:
        there = browser.get(START)
        if path == "/token":
            there = browser.get(httpx.get(there.headers["location"]).headers["location"])
        assert there.status_code == 503, there.text
        assert "The identity provider" in there.text
        assert "access key" in there.text
        key = administrator(server)
        form = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
        assert browser.post("/sign-in", data=form).status_code == 303


@pytest.mark.long("a slow provider is left after 10 s")
def test_a_slow_provider_is_left_and_nobody_else_waits(
    make_server: Callable[..., LocalServer], provider: IdentityProvider
) -> None:
    server = make_server(settings=settings(provider))
    server.start()
    provider.behaves["/keys"] = "slow"
    with browser_of(server) as browser:
        answer = browser.get(START)
        assert answer.status_code == 503
        assert "did not answer within 10 s" in answer.text
        provider.called.clear()
        assert browser.get(START).status_code == 503  # at once: it has just failed
        assert provider.called == []
        assert browser.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://192.0.2.1/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
        {"jwks_uri": "http://["},
    ],
)
def test_a_configuration_that_can_not_be_trusted_is_refused(
    make_server: Callable[..., LocalServer], provider: IdentityProvider, configuration: dict[str, object]
) -> None:
    provider.configuration = configuration
    server = make_server(settings=settings(provider))
    server.start()
    with browser_of(server) as browser:
        answer = browser.get(START)
        assert answer.status_code == 503
        assert "configuration can&#39;t be used" in answer.text


def test_a_provider_that_is_gone_is_said_so(make_server: Callable[..., LocalServer]) -> None:
    gone = IdentityProvider()
    gone._server.server_close()  # noqa: SLF001 - never served
    server = make_server(settings=settings(gone))
    server.start()
    with browser_of(server) as browser:
        answer = browser.get(START)
        assert (answer.status_code, "can&#39;t be used now: ConnectError" in answer.text) == (503, True)

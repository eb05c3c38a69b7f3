"""Answers of a provider, valid or not: tokens, claims, configurations, and trouble."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from otpconv.clock import Clock, wall_clock
from otpconv.errors import BadCredentials, OtpconvError, Unavailable
from otpconv.web.pages.oidc import http
from otpconv.web.pages.oidc.http import CALL_S, MAX_ANSWER_BYTES, MAX_CALLS, ProviderCalls
from otpconv.web.pages.oidc.provider import FAILED_MS, KEPT_MS, SKEW_S, Provider
from web.pages.oidc.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider

WANTED = ("email", "email_verified")


@pytest.fixture(scope="module")
def shared() -> Iterator[IdentityProvider]:
    with IdentityProvider().running() as running:
        yield running


@pytest.fixture
def idp(shared: IdentityProvider) -> Iterator[IdentityProvider]:
    """The provider, which behaves well again afterwards."""
    claims = dict(shared.claims)
    yield shared
    shared.claims, shared.configuration, shared.behaves, shared.info = claims, {}, {}, None
    shared.algorithm, shared.sends, shared.access_token, shared.sent = "RS256", ..., "opaque", 0


def client(idp: IdentityProvider, clock: Clock = wall_clock) -> Provider:
    return Provider(
        idp.issuer,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        scope="openid email",
        redirect_uri="https://otpconv.example/callback",
        clock=clock,
    )


async def sign_in(
    provider: Provider, idp: IdentityProvider, change: Callable[[dict[str, str]], None] | None = None
) -> dict[str, Any]:
    url, flow = await provider.start("/dashboard")
    query = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
    if change is not None:
        change(query)
    code = parse_qs(urlsplit(idp.authorize(query)).query)["code"][0]
    return await provider.finish(flow, code, WANTED)


def claims_of(idp: IdentityProvider, clock: Clock = wall_clock) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        provider = client(idp, clock)
        try:
            return await sign_in(provider, idp)
        finally:
            await provider.close()

    return asyncio.run(run())


# Tokens.


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256"])
def test_a_provider_may_sign_with_any_usual_algorithm(idp: IdentityProvider, algorithm: str) -> None:
    idp.algorithm = algorithm
    assert claims_of(idp)["email"] == "olga@shop.example"


def test_a_provider_may_want_the_secret_in_the_form(idp: IdentityProvider) -> None:
    idp.configuration = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert claims_of(idp)["email"] == "olga@shop.example"


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_that_anybody_could_have_made_is_refused(idp: IdentityProvider, algorithm: str) -> None:
    idp.algorithm = algorithm
    with pytest.raises(BadCredentials, match="its signature is wrong"):
        claims_of(idp)


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "....", "{}", "é", "e30.e30.e30", "W" * 100_000 + ".e30.e30", 7, None, ["x"]]
)
def test_what_is_not_a_token_is_refused(idp: IdentityProvider, token: object) -> None:
    idp.sends = token
    with pytest.raises(BadCredentials, match="is not valid for this sign-in"):
        claims_of(idp)


def test_a_token_of_another_provider_and_one_of_another_sign_in_are_refused(idp: IdentityProvider) -> None:
    other = IdentityProvider()
    other.issuer = idp.issuer

    async def run(source: IdentityProvider, text: str) -> None:
        provider = client(idp)

        def forge(query: dict[str, str]) -> None:
            idp.sends = source.id_token(query["nonce"])

        with pytest.raises(BadCredentials, match=text):
            await sign_in(provider, idp, forge if source is other else None)
        await provider.close()

    asyncio.run(run(other, "its signature is wrong"))
    idp.sends = idp.id_token("the nonce of another sign-in")
    asyncio.run(run(idp, "nonce"))
    other.close()


#: Values of claims in seconds from now, and whether a token with them is valid.
CHOICES: dict[str, list[tuple[object, bool]]] = {
    "iss": [("https://evil.example", False), (None, False), ("", False), (["x"], False), ({}, False)],
    "aud": [
        ("another", False),
        (["another", "third"], False),
        ([], False),
        (None, False),
        (7, False),
        ([CLIENT_ID], True),
        ([CLIENT_ID, "another"], False),  # without azp
    ],
    "azp": [(CLIENT_ID, True), ("another", False), (["x"], False), (7, False)],
    "nonce": [("another", False), (None, False), (7, False), ([], False), ({"a": 1}, False)],
    "exp": [("tomorrow", False), (None, False), ([], False), (True, False), (-SKEW_S - 5, False), (-5, True)],
    "iat": [("now", False), (None, False), ({}, False), (SKEW_S + 30, False), (SKEW_S - 30, True)],
    "nbf": [("now", False), ([], False), (SKEW_S + 30, False), (SKEW_S - 30, True), (-99, True)],
    "sub": [(None, False), ("s-2", True)],
    "at_hash": [("wrong", False), (7, False), (["x"], False)],
    "auth_time": [("now", False), (-5, True)],
    "amr": [("pwd", False), (["pwd"], True)],
}


def test_a_token_is_accepted_if_and_only_if_all_its_claims_are_valid(idp: IdentityProvider) -> None:
    randomness = random.Random(8)
    outcomes = [0, 0]
    singles = [({name: value}, valid) for name, options in CHOICES.items() for value, valid in options]
    for _ in range(80):
        picked = [(name, randomness.choice(CHOICES[name])) for name in randomness.sample(list(CHOICES), 2)]
        world = {name: value for name, (value, _) in picked}
        valid = all(valid for _, (_, valid) in picked)
        if isinstance(world.get("aud"), list) and len(world["aud"]) > 1 and world.get("azp") == CLIENT_ID:
            valid = CLIENT_ID in world["aud"]
        singles.append((world, valid))

    async def run() -> None:
        provider, usual = client(idp), dict(idp.claims)
        for world, valid in singles:
            now = int(time.time())  # noqa: TID251 - the provider's clock
            times = {"exp", "iat", "nbf", "auth_time"}
            idp.claims = usual | {
                name: now + value if name in times and type(value) is int else value
                for name, value in world.items()
            }
            try:
                await sign_in(provider, idp)
            except BadCredentials:
                assert not valid, world
            else:
                assert valid, world
            outcomes[valid] += 1
        await provider.close()

    asyncio.run(run())
    assert min(outcomes) > 5


@pytest.mark.parametrize(
    ("ahead_s", "accepted"), [(0, True), (55, True), (-55, True), (115, True), (125, False), (-65, False)]
)
def test_clocks_may_differ_by_a_minute(idp: IdentityProvider, ahead_s: int, accepted: bool) -> None:  # noqa: FBT001
    idp.claims["auth_time"] = None  # a token is valid for 60 s

    def clock() -> int:
        return wall_clock() + ahead_s * 1000

    if accepted:
        assert claims_of(idp, clock)["sub"] == "s-1"
    else:
        with pytest.raises(BadCredentials, match="is not valid for this sign-in"):
            claims_of(idp, clock)


def test_keys_are_kept_for_an_hour_and_fetched_at_once_when_they_change(idp: IdentityProvider) -> None:
    async def run() -> None:
        later = 0
        provider = client(idp, lambda: wall_clock() + later)
        await sign_in(provider, idp)
        idp.called.clear()
        await sign_in(provider, idp)
        assert idp.called == ["/token"]
        idp.rotate()
        await sign_in(provider, idp)
        assert idp.called.count("/keys") == 1
        idp.claims |= {"exp": 4_000_000_000, "iat": 1}
        later = KEPT_MS + 1_000
        idp.called.clear()
        await sign_in(provider, idp)
        assert idp.called.count("/keys") == 1
        await provider.close()

    asyncio.run(run())


# Claims that only the UserInfo endpoint has.


def test_the_userinfo_endpoint_gives_what_the_token_lacks(idp: IdentityProvider) -> None:
    idp.claims = {}
    idp.info = {"sub": "s-1", "email": "o@shop.example", "email_verified": True, "iss": "x", "groups": ["y"]}
    claims = claims_of(idp)
    assert (claims["email"], claims["email_verified"], claims["iss"]) == ("o@shop.example", True, idp.issuer)
    assert "groups" not in claims
    # An address and whether it is verified come from the same place.
    idp.claims = {"email": "admin@shop.example"}
    assert claims_of(idp)["email"] == "o@shop.example"
    idp.claims |= {"email_verified": True}
    idp.called.clear()
    assert claims_of(idp)["email"] == "admin@shop.example"
    assert "/userinfo" not in idp.called


@pytest.mark.parametrize("info", [{"sub": "s-2"}, {}, {"sub": None}, {"sub": ["s-1"]}])
def test_the_userinfo_of_another_person_is_refused(idp: IdentityProvider, info: dict[str, Any]) -> None:
    idp.claims = {}
    idp.info = {"email": "admin@shop.example", "email_verified": True, **info}
    with pytest.raises(BadCredentials, match="another person"):
        claims_of(idp)


@pytest.mark.parametrize("token", ["a\r\nx-admin: 1", "é", "", "a b", "x" * 20_000])
def test_an_access_token_that_is_no_header_is_refused(idp: IdentityProvider, token: str) -> None:
    idp.claims, idp.info, idp.access_token = {}, {"sub": "s-1"}, token
    with pytest.raises(BadCredentials, match="access token is malformed"):
        claims_of(idp)


def test_a_userinfo_endpoint_without_https_is_not_called(idp: IdentityProvider) -> None:
    idp.claims, idp.configuration = {}, {"userinfo_endpoint": "http://192.0.2.1/userinfo"}
    with pytest.raises(Unavailable, match="without HTTPS"):
        claims_of(idp)


# A provider in trouble.

PATHS = ["/.well-known/openid-configuration", "/keys", "/token", "/userinfo"]


@pytest.mark.parametrize(
    "behavior", ["down", "endless", "headers", "compressed", "redirecting", "nested", "cut"]
)
@pytest.mark.parametrize("path", PATHS)
def test_a_bad_answer_is_refused_and_read_up_to_a_bound(
    idp: IdentityProvider, path: str, behavior: str
) -> None:
    idp.claims, idp.info = {}, {"sub": "s-1", "email": "o@shop.example", "email_verified": True}
    idp.behaves[path] = behavior
    begun = time.monotonic()
    with pytest.raises(Unavailable, match=r"The identity provider .*access key|The identity provider's conf"):
        claims_of(idp)
    assert time.monotonic() - begun < CALL_S
    assert idp.sent < MAX_ANSWER_BYTES + 16_000_000  # what the sockets of this machine hold


@pytest.mark.parametrize("behavior", ["slow", "hanging"])
@pytest.mark.parametrize("path", PATHS)
def test_a_provider_that_hangs_is_left_at_the_deadline(
    idp: IdentityProvider, path: str, behavior: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CALL_S", 0.3)
    idp.claims, idp.info = {}, {"sub": "s-1"}
    idp.behaves[path] = behavior
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="did not answer within"):
        claims_of(idp)
    assert time.monotonic() - begun < CALL_S


def test_a_provider_that_failed_is_not_called_for_some_seconds(idp: IdentityProvider) -> None:
    async def run() -> None:
        later = 0
        provider = client(idp, lambda: wall_clock() + later)
        idp.behaves["/keys"] = "down"
        for _ in range(2):
            with pytest.raises(Unavailable, match="it answered 500"):
                await provider.start("/")
        assert idp.called.count("/keys") == 1
        idp.behaves = {}
        later = FAILED_MS + 1
        await provider.start("/")
        await provider.close()

    idp.called.clear()
    asyncio.run(run())


def test_many_at_once_cause_one_fetch(idp: IdentityProvider) -> None:
    async def run() -> None:
        provider = client(idp)
        await asyncio.gather(*(provider.start("/") for _ in range(100)))
        await provider.close()

    idp.called.clear()
    asyncio.run(run())
    assert idp.called == PATHS[:2]


def test_no_more_calls_than_the_bound_go_on_at_once(idp: IdentityProvider) -> None:
    async def run(url: str) -> None:
        calls = ProviderCalls()
        going = [asyncio.ensure_future(calls.get(url)) for _ in range(MAX_CALLS)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="Too many people are signing in"):
            await calls.get(url)
        for each in going:
            each.cancel()
        await asyncio.gather(*going, return_exceptions=True)
        await calls.close()

    asyncio.run(run(f"{idp.issuer}/keys"))


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://192.0.2.1/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": ["https://x.example"]},
        {"jwks_uri": None},
        {"jwks_uri": "http://["},
    ],
    ids=str,
)
def test_a_configuration_that_can_not_be_trusted_is_refused(
    idp: IdentityProvider, configuration: dict[str, object]
) -> None:
    idp.configuration = configuration
    with pytest.raises(Unavailable, match="configuration can't be used"):
        claims_of(idp)


def test_a_provider_that_is_gone_is_reported() -> None:
    gone = IdentityProvider()
    gone.close()
    with pytest.raises(OtpconvError, match="can't be used now: ConnectError"):
        claims_of(gone)

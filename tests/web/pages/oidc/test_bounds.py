"""How long a sign-in through a provider may take, and how many may go on at once."""

import asyncio
import base64
from collections.abc import Callable

import httpx
import pytest
from msgspec import msgpack

from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.errors import Unavailable
from otpconv.service.compose import open_sealer
from otpconv.web.pages.oidc.http import MAX_CALLS, ProviderCalls
from otpconv.web.pages.oidc.page import FLOW_MS
from otpconv.web.pages.oidc.provider import Flow
from web.pages.oidc.identity_provider import IdentityProvider


@pytest.mark.parametrize(
    ("age_ms", "text"), [(FLOW_MS, "longer than 10 minutes"), (-60_000, "longer than"), (0, "")]
)
def test_a_sign_in_that_takes_too_long_is_over(
    make_server: Callable[..., LocalServer], age_ms: int, text: str
) -> None:
    with IdentityProvider().running() as provider:
        server = make_server(
            settings={"OTPCONV_OIDC_ISSUER": provider.issuer, "OTPCONV_OIDC_CLIENT_ID": "otpconv"}
        )
        server.start()
        flow = Flow("state", "nonce", "verifier", "/dashboard", wall_clock() - age_ms)
        sealed = open_sealer(load(data=server.data)).seal(msgpack.encode(flow), b"identity provider")
        cookie = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
        headers = {"accept": "text/html", "cookie": f"otpconv-provider={cookie}"}
        answer = httpx.get(f"{server.url}/sign-in/provider/callback?state=state&code=x", headers=headers)
        assert answer.status_code == 401
        assert (text or "refused the sign-in") in answer.text


def test_no_more_calls_than_the_bound_go_on_at_once() -> None:
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

    with IdentityProvider().running() as provider:
        provider.behaves["/keys"] = "slow"
        asyncio.run(run(f"{provider.issuer}/keys"))

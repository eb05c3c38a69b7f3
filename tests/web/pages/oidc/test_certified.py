"""Signing in through an identity provider that others wrote, and that the OpenID Foundation has certified."""

import html
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from campaigns import parameters
from otpconv.cli.local_server import LocalServer
from otpconv.config import environment, load
from otpconv.service.opening import open_directory
from web.pages.oidc.identity_provider import CLIENT_ID, CLIENT_SECRET

SCRIPT = Path(__file__).parent / "certified.mjs"
CALLBACK = "/sign-in/provider/callback"
#: A sign-in and a consent take about ten redirects.
MAX_STEPS = 20


@contextmanager
def certified(node_modules: Path) -> Iterator[tuple[str, Callable[[dict[str, Any]], None]]]:
    """Run the provider, and give its issuer, and what starts it with its settings."""
    process = subprocess.Popen(  # noqa: S603 - our own script
        ["node", "--no-warnings", SCRIPT],  # noqa: S607 - the one on the path
        env=environment() | {"NODE_PATH": str(node_modules)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def begin(settings: dict[str, Any]) -> None:
        stdin.write(json.dumps(settings) + "\n")
        stdin.flush()
        assert stdout.readline() == "ready\n"

    try:
        yield stdout.readline().strip(), begin
    finally:
        stdin.close()
        process.wait(10)
        stdout.close()


def signed_in_as(server: LocalServer, issuer: str, login: str) -> httpx.Response:
    """Sign in as a person does, by the forms of the provider, and return the first page after that."""
    with httpx.Client(headers={"accept": "text/html"}) as browser:
        url = f"{server.url}/sign-in/provider?next=/explorer"
        for _ in range(MAX_STEPS):
            page = browser.get(url)
            while page.status_code == 200 and url.startswith(issuer):
                action = re.search(r'action="([^"]+)"', page.text)
                prompt = re.search(r'name="prompt" value="([^"]+)"', page.text)
                assert action, page.text
                assert prompt, page.text
                fields = {"prompt": prompt[1], "login": login, "password": "any"}
                page = browser.post(urljoin(url, html.unescape(action[1])), data=fields)
            if "location" not in page.headers:
                return page
            url = urljoin(url, page.headers["location"])
    raise AssertionError(url)


@pytest.mark.parametrize(
    ("thin", "algorithm", "method"),
    parameters(
        [(True, "RS256", "client_secret_basic"), (False, "ES256", "none")],
        [(True, "RS256", "client_secret_basic")],
        "another provider; the algorithms are in test_provider.py",
    ),
)
def test_a_person_signs_in_and_others_do_not(
    node_modules: Path,
    make_server: Callable[..., LocalServer],
    *,
    thin: bool,
    algorithm: str,
    method: str,
) -> None:
    secret = "" if method == "none" else CLIENT_SECRET
    with certified(node_modules) as (issuer, begin):
        settings = {
            "OTPCONV_OIDC_ISSUER": issuer,
            "OTPCONV_OIDC_CLIENT_ID": CLIENT_ID,
            "OTPCONV_OIDC_CLIENT_SECRET": secret,
            "OTPCONV_OIDC_ACCOUNT": "shop",
        }
        if thin:
            settings |= {"OTPCONV_OIDC_CLAIM": "groups", "OTPCONV_OIDC_SCOPE": "openid groups"}
            settings |= {"OTPCONV_OIDC_USERS": "bob=admin,olga=olga@shop.example"}
        server = make_server(settings=settings)
        with closing(open_directory(load(data=server.data))) as directory:
            directory.create_user("shop", "olga@shop.example")
            directory.create_user("shop", "admin")
        server.start()
        client = {
            "client_id": CLIENT_ID,
            "redirect_uris": [server.url + CALLBACK],
            "id_token_signed_response_alg": algorithm,
            "token_endpoint_auth_method": method,
        }
        begin({"thin": thin, "client": client | ({"client_secret": secret} if secret else {})})
        page = signed_in_as(server, issuer, "olga")
        assert page.status_code == 200, page.text
        assert str(page.url) == f"{server.url}/explorer"
        assert "</span>olga@shop.example<span" in page.text
        page = signed_in_as(server, issuer, "mallory")
        assert page.status_code == 401
        assert "no user of otpconv belongs to you" in page.text

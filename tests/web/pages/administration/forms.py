"""Sends forms as the pages do."""

import re

import httpx


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Send a form with the token of the sign-in."""
    token = re.search(r'name="form_token" value="([^"]+)"', browser.get("/explorer").text)
    assert token is not None
    return browser.post(path, data={"form_token": token[1], **fields})

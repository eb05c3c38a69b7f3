"""What apprise 2.3 gets wrong at some services; of no effect once it is right."""

from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import requests


def sign_once(dingtalk: Any) -> None:  # noqa: ANN401 - apprise has no types
    """Let DingTalk get its signature with URL encoding applied once: apprise and requests both apply it."""
    signature = dingtalk.get_signature

    def unquoted() -> tuple[str, str]:
        timestamp, sign = signature()
        return timestamp, unquote(sign)  # base64 has no %

    dingtalk.get_signature = unquoted


def require_errcode_0() -> None:
    """Let DingTalk and WeCom refuse a notification: they do so with the status 200 and an `errcode`.

    Apprise reads the status alone, so the `errcode` becomes the status; the error text then has it.
    """
    request = requests.Session.request

    def checked(*arguments: Any, **options: Any) -> requests.Response:  # noqa: ANN401 - handed on
        response = request(*arguments, **options)
        try:
            answer = response.json()
        except ValueError:
            return response
        code = answer.get("errcode") if isinstance(answer, dict) else None
        if response.status_code == HTTPStatus.OK and isinstance(code, int) and code:
            response.status_code = code
        return response

    requests.Session.request = checked  # type: ignore[method-assign]

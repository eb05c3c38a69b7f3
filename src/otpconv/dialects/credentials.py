"""Reads an AccessKeyId and its AccessKeySecret from a header, in the forms that vendors use for theirs."""

import base64
from typing import NamedTuple

from otpconv.errors import BadCredentials


class Login(NamedTuple):
    """An AccessKeyId and the AccessKeySecret that the caller sent with it."""

    access_key_id: str
    secret: str


def from_basic(authorization: bytes) -> Login:
    """Return the user and the password of HTTP Basic.

    Args:
        authorization: the value of the header `Authorization`; empty without one.

    Raises:
        BadCredentials: the value is not HTTP Basic.
    """
    try:
        text = base64.b64decode(_of_scheme(authorization, b"basic"), validate=True).decode()
    except ValueError:  # not base64, not UTF-8
        text = ""
    login = _split(text)
    if login is None:
        raise BadCredentials(
            "Send an AccessKeyId and its AccessKeySecret by HTTP Basic, e.g. `curl -u ID:SECRET`."
        )
    return login


def from_token(authorization: bytes, scheme: str = "Bearer") -> Login:
    """Return the two parts of a token `AccessKeyId:AccessKeySecret` after the name of a scheme.

    Args:
        authorization: the value of the header `Authorization`; empty without one.
        scheme: the name of the scheme, e.g. `Bearer` or `App`.

    Raises:
        BadCredentials: the value has another scheme or form.
    """
    login = _split(_of_scheme(authorization, scheme.lower().encode()).decode("latin-1"))
    if login is None:
        raise BadCredentials(
            f"Send the header Authorization: {scheme} AccessKeyId:AccessKeySecret, the two of one access key."
        )
    return login


def from_api_key(value: bytes, header: str) -> Login:
    """Return the two parts of an API key `AccessKeyId:AccessKeySecret`.

    Args:
        value: the value of the header; empty without one.
        header: the name of the header, for the text of the error.

    Raises:
        BadCredentials: the value has another form.
    """
    login = _split(value.decode("latin-1"))
    if login is None:
        raise BadCredentials(
            f"Send the header {header}: AccessKeyId:AccessKeySecret, the two of one access key."
        )
    return login


def _of_scheme(authorization: bytes, scheme: bytes) -> bytes:
    """Return the value after the name of a scheme; empty if it is another scheme."""
    name, _, value = authorization.partition(b" ")
    return value.strip() if name.lower() == scheme else b""


def _split(text: str) -> Login | None:
    access_key_id, colon, secret = text.partition(":")
    return Login(access_key_id, secret) if colon else None

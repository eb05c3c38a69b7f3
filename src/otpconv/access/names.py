"""New access key ids and secrets, and the rules for names."""

import re
import secrets
import string

from otpconv.errors import InvalidRequest

#: What the id of a user without a key begins with, see `person_id`.
PERSON_PREFIX = "user/"

_ID_PREFIX = "LTAI"
_ID_RANDOM_CHARS = 20
_SECRET_CHARS = 30
_CHARS = string.ascii_letters + string.digits
_NAME = re.compile(r"[A-Za-z0-9._@\-]{1,64}")


def new_id() -> str:
    """Return a new AccessKeyId in the vendor's format."""
    return _ID_PREFIX + _random(_ID_RANDOM_CHARS)


def person_id(account: int, user: str) -> str:
    """Return what stands for an access key id in the sign-in of a user without a key."""
    return f"{PERSON_PREFIX}{account}/{user}"


def new_secret() -> str:
    """Return a new AccessKeySecret with 178 random bits."""
    return _random(_SECRET_CHARS)


def require_name(what: str, name: str) -> None:
    """Raise an error if the name of an account, a user, etc. is malformed.

    Args:
        what: the kind of name for the error text, e.g. `account`.
        name: the name to check.

    Raises:
        InvalidRequest: the name is malformed.
    """
    if _NAME.fullmatch(name) is None:
        raise InvalidRequest(f"The name of the {what} must be 1 to 64 of letters, digits and . - _ @")


def _random(chars: int) -> str:
    return "".join(secrets.choice(_CHARS) for _ in range(chars))

"""The signature of Vonage's older APIs, made and verified by the same code.

All parameters are sorted by name and written as `&name=value`, with `&` and `=` in values replaced by `_`.
An HMAC over this text is keyed by the signature secret. Old clients send the MD5 hash of the text and the
secret instead. The signature is hexadecimal; some clients write it in upper case.

The parameters may include `timestamp`, but no nonce. So a captured call can be sent again, and changes
nothing then.

Source: "Signing messages", Vonage API documentation; `Auth.sign_params` of the Python SDK 4.9.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

#: The method of old clients: not an HMAC.
MD5_HASH: Final = "md5hash"
#: The parameter that carries the signature.
SIGNATURE: Final = "sig"

#: How many digits a signature has -> the methods that may have made it.
_METHODS: Final = {
    32: ("md5", MD5_HASH),
    40: ("sha1",),
    64: ("sha256",),
    128: ("sha512",),
}

#: Signature methods by the name that the account's settings have.
METHODS: Final = tuple(method for methods in _METHODS.values() for method in methods)

_REPLACED = str.maketrans("&=", "__")


def string_to_sign(parameters: Mapping[str, str]) -> str:
    """Return the text to sign: all parameters but `sig`, decoded, sorted by name."""
    return "".join(
        f"&{name}={parameters[name].translate(_REPLACED)}" for name in sorted(parameters) if name != SIGNATURE
    )


def is_ambiguous(text: str) -> bool:
    """Return whether a text has characters that another text can stand for in the text to sign."""
    return "&" in text or "=" in text


def sign(parameters: Mapping[str, str], secret: str, method: str = "sha256") -> str:
    """Return the value of `sig`, lower-case hexadecimal.

    Args:
        parameters: names and values, decoded; with `api_key`.
        secret: the signature secret.
        method: one of `METHODS`.

    Raises:
        ValueError: the method is unknown.
    """
    text = string_to_sign(parameters).encode()
    if method == MD5_HASH:
        return hashlib.md5(text + secret.encode()).hexdigest()  # noqa: S324 - the vendor's choice
    if method not in METHODS:
        raise ValueError(f"{method!r} is not a signature method. Use one of {', '.join(METHODS)}.")
    return hmac.new(secret.encode(), text, method).hexdigest()


def verify(parameters: Mapping[str, str], secret: str) -> bool:
    """Return whether `secret` made the `sig` among the parameters by any of `METHODS`, in constant time.

    A name with `&` or `=` could stand for several parameters in the signed text, so it never verifies.
    """
    if any(map(is_ambiguous, parameters)):
        return False
    signature = parameters.get(SIGNATURE, "").lower().encode()
    methods = _METHODS.get(len(signature), ())
    return any(
        hmac.compare_digest(sign(parameters, secret, method).encode(), signature) for method in methods
    )

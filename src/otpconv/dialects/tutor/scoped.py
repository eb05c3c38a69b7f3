"""The steps of the signatures of `scoped_signature`, and the usual mistakes with them."""

from collections.abc import Iterator

from msgspec import structs

from otpconv.clock import iso_8601
from otpconv.dialects.scoped_call import ScopedCall
from otpconv.dialects.scoped_signature import Scheme
from otpconv.dialects.tutor.request import Step
from otpconv.dialects.tutor.variants import Variant


def texts(call: ScopedCall) -> tuple[Step, ...]:
    """Return the signed texts of a call."""
    request = call.requests[0]
    scope = call.authorization.scope
    return (
        Step(
            "Canonical request",
            "A line each: method, path, query, the signed headers sorted by name, an empty line, the names of"
            " the signed headers, SHA-256 of the body.",
            request.decode(errors="replace"),
        ),
        Step(
            "String to sign",
            "A line each: the name of the algorithm, the time, what the key is valid for, SHA-256 of the"
            " canonical request.",
            call.scheme.string_to_sign(request, call.time, scope),
        ),
    )


def time(now: int) -> str:
    """Return a time (ms UTC) as these signatures write it, e.g. `20261126T215135Z`."""
    return iso_8601(now).replace("-", "").replace(":", "")


def signature(call: ScopedCall) -> str:
    """Return the signature."""
    return call.authorization.signature


def rule(prefix: str, scope: str) -> str:
    """Return how the signature is made.

    Args:
        prefix: stands before the secret when the key is derived.
        scope: what the key is valid for, in words.
    """
    first = f"{prefix} and the AccessKeySecret" if prefix else "the AccessKeySecret"
    return (
        f"HMAC-SHA256 of the string to sign, hexadecimal. Its key comes from {first}, by an HMAC-SHA256 with"
        f" each part of {scope} in turn."
    )


def variants(call: ScopedCall) -> Iterator[Variant]:
    """Return the usual mistakes with the key and with the canonical request."""
    prefix = call.scheme.key_prefix
    if prefix:
        yield Variant(
            f"The key was derived from the secret without {prefix} before it.",
            f"Begin with HMAC-SHA256 of the date, keyed by {prefix} and the AccessKeySecret.",
            structs.replace(call, scheme=Scheme(call.scheme.algorithm, "")),
        )
    yield Variant(
        "A line feed follows the canonical request.",
        "Hash the canonical request as it is: its last line ends without a line feed (use printf, not echo).",
        structs.replace(call, requests=tuple(request + b"\n" for request in call.requests)),
    )
    yield Variant(
        "The empty line after the headers is missing in the canonical request.",
        "Each header ends with a line feed, and another one follows them.",
        structs.replace(
            call, requests=tuple(request.replace(b"\n\n", b"\n", 1) for request in call.requests)
        ),
    )

"""The usual mistakes of people who sign by themselves, each as a change of the right recipe.

`find_mistakes` signs a request with one part of the recipe changed, then with two, until the result is the
signature of the request. So it names the mistake.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from msgspec import Struct, structs

from otpconv.dialects.alibaba.tutor.recipes import Encode, Order, V1Recipe, V3Recipe, encode
from otpconv.dialects.tutor.variants import AROUND, STRIP

#: With more parameters than this, the search does not try to leave one out. No operation has so many.
_MAX_PARAMETERS = 30


class Mistake(Struct, frozen=True):
    """One part of a signature that is made in a wrong way.

    Attributes:
        what: the mistake.
        remedy: what to do.
        part: the name of the changed part of the recipe.
        value: the value of that part.
        alone: whether it is not combined with other mistakes, because there are many of its kind.
    """

    what: str
    remedy: str
    part: str
    value: Any
    alone: bool = False


def _lower_hex(text: str) -> str:
    return "".join(each if each == char else each.lower() for char in text for each in [encode(char)])


_ENCODINGS: tuple[tuple[str, Encode], ...] = (
    ("A space was encoded as + and not as %20.", lambda text: quote_plus(text, safe="~")),
    ("The character * was left as it is, and not encoded as %2A.", lambda text: quote(text, safe="~*")),
    ("The character ~ was encoded as %7E.", lambda text: encode(text).replace("~", "%7E")),
    ("The character / was left as it is, and not encoded as %2F.", lambda text: quote(text, safe="~/")),
    ("The characters ! * ' ( ) were left as they are.", lambda text: quote(text, safe="~!*'()")),
    (
        "It was encoded as web forms are: + for a space, * as it is, ~ as %7E.",
        lambda text: quote_plus(text, safe="*").replace("~", "%7E"),
    ),
    ("The encoding has small letters, as %2f.", _lower_hex),
    ("Names and values were not encoded before they were signed.", str),
)
_ORDERS: tuple[tuple[str, Order], ...] = (
    ("The parameters were signed in the order they were sent.", "as sent"),
    ("The parameters were sorted without regard to capitals.", "by name, ignoring case"),
    ("The parameters were sorted after name and value had been joined by =.", "by name and value"),
)
_ENCODE = "Encode as UTF-8 all but letters, digits and - _ . ~, with capital letters after the %."
_SORT = "Sort by name in byte order: all capitals before all small letters."


def v1_mistakes(recipe: V1Recipe, others: Mapping[str, str]) -> Iterator[Mistake]:
    """Return what can be wrong with a V1 signature.

    Args:
        recipe: the right one.
        others: the secrets of other access keys, by id.
    """
    yield from _common(recipe, others)
    if recipe.suffix:
        yield Mistake(
            "The secret was used without the & that V1 wants behind it.",
            "Append & to the AccessKeySecret before it becomes the key of the HMAC.",
            "suffix",
            "",
        )
    yield _escaped_suffix("Append the character & to the AccessKeySecret, as it is.")
    yield Mistake(
        "The canonical query was not encoded once more in the string to sign.",
        "Encode the whole canonical query again: its & become %26, its = %3D, its % %25.",
        "twice",
        False,  # noqa: FBT003 - a value
    )
    other = "sha256" if recipe.hash_name == "sha1" else "sha1"
    yield Mistake(
        f"It was signed with HMAC-{other.upper()}, and SignatureMethod says another.",
        f"Send SignatureMethod=HMAC-{other.upper()}, or sign as SignatureMethod says.",
        "hash_name",
        other,
    )


def v3_mistakes(recipe: V3Recipe, others: Mapping[str, str]) -> Iterator[Mistake]:
    """Return what can be wrong with a V3 signature; the arguments are as in `v1_mistakes`."""
    yield from _common(recipe, others)
    yield Mistake(
        "An & was appended to the secret, as V1 wants it.", "Use the bare AccessKeySecret.", "suffix", "&"
    )
    yield _escaped_suffix("Use the bare AccessKeySecret; only V1 appends an & to it.")
    yield Mistake(
        "A line feed follows the canonical request.",
        "Hash the canonical request as it is: its last line ends without a line feed (use printf, not echo).",
        "request_ending",
        "\n",
    )
    yield from _of_headers(recipe)
    yield Mistake(
        "The empty line after the headers is missing in the canonical request.",
        "Each header ends with a line feed, and another one follows them.",
        "empty_line",
        False,  # noqa: FBT003
    )
    yield Mistake("The path was left out of the canonical request.", "Sign the path as /.", "path", "")
    yield Mistake(
        "The canonical request itself was signed, not its hash.",
        "Sign the name of the algorithm, a line feed, and SHA-256 of the canonical request in hexadecimal.",
        "hashed",
        False,  # noqa: FBT003
    )
    yield Mistake(
        "The name of the algorithm is missing in the string to sign.",
        "Begin the string to sign with the name of the algorithm and a line feed.",
        "algorithm",
        "",
    )
    yield Mistake(
        "The query was left out of the canonical request.",
        "Sign all parameters of the query.",
        "left_out",
        frozenset(recipe.parameters),
    )


def _of_headers(recipe: V3Recipe) -> Iterator[Mistake]:
    host = recipe.headers.get("host", "")
    for other in filter(None, (host.rpartition(":")[0], f"{host}:80", f"{host}:443")):
        yield Mistake(
            f"The host was signed as {other}, and sent as {host}.",
            "Sign the host as it is sent: with its port, unless that is the usual one; let proxies keep it.",
            "headers",
            {**recipe.headers, "host": other},
        )
    if list(recipe.headers) != sorted(recipe.headers):
        yield Mistake(
            "The headers were not sorted by name.",
            "Sort the signed headers by name.",
            "sorted_headers",
            False,  # noqa: FBT003
        )


def _escaped_suffix(remedy: str) -> Mistake:
    return Mistake("The three characters %26 were appended to the secret.", remedy, "suffix", "%26")


def _common(recipe: V1Recipe | V3Recipe, others: Mapping[str, str]) -> Iterator[Mistake]:
    for what, order in _ORDERS:
        yield Mistake(what, _SORT, "order", order)
    for what, encoding in _ENCODINGS:
        yield Mistake(what, _ENCODE, "encode", encoding)
    other = "GET" if recipe.method == "POST" else "POST"
    yield Mistake(
        f"It was signed as {other} and sent as {recipe.method}.",
        f"Sign the method that is sent; pasted without a method, it was taken for {recipe.method}.",
        "method",
        other,
    )
    for name in recipe.parameters if len(recipe.parameters) <= _MAX_PARAMETERS else ():
        yield Mistake(
            f"The parameter {name} was not signed.",
            f"Sign {name} too: add nothing once the request is signed.",
            "left_out",
            frozenset({name}),
            alone=True,
        )
    blank = frozenset(name for name, value in recipe.parameters.items() if not value)
    if len(blank) > 1:
        yield Mistake(
            "Blank parameters were not signed.", "Sign them as Name=, or leave them out.", "left_out", blank
        )
    yield from _around(recipe)
    for access_key_id, secret in others.items():
        yield Mistake(
            f"It was signed with the secret of the access key {access_key_id}.",
            "Send the AccessKeyId that the secret belongs to.",
            "secret",
            secret,
            alone=True,
        )


def _around(recipe: V1Recipe | V3Recipe) -> Iterator[Mistake]:
    """Return what may be added to the secret and to the string to sign where they are read."""
    for name, ending in (("A line feed", "\n"), ("CR LF", "\r\n")):
        yield Mistake(
            f"{name} follows the string to sign.",
            "Sign the string as it is, without a line end behind it (use printf, not echo).",
            "ending",
            ending,
        )
    for what, change in AROUND:
        yield Mistake(f"The secret was used with {what}.", STRIP, "secret", change(recipe.secret))


def find_mistakes(
    recipe: V1Recipe | V3Recipe, mistakes: Iterable[Mistake], came: bytes
) -> tuple[Mistake, ...] | None:
    """Return the fewest mistakes that make a signature what it is; None when no two of them do.

    Args:
        recipe: the right one; no mistake at all explains its own signature.
        mistakes: those that can have been made.
        came: the signature as it came.
    """
    known = list(mistakes)
    together = [mistake for mistake in known if not mistake.alone]
    forms = dict(_forms(came))
    right = "base64" if isinstance(recipe, V1Recipe) else "hexadecimal"
    for chosen in ((), *((each,) for each in known), *combinations(together, 2)):
        parts = {mistake.part: mistake.value for mistake in chosen}
        if len(parts) < len(chosen):
            continue
        digest = structs.replace(recipe, **parts).sign()
        for text, way in _writings(digest):
            if text in forms:
                return (*chosen, *forms[text], *_written(way, right))
    return None


def _writings(digest: bytes) -> Iterator[tuple[bytes, str]]:
    """Return a digest in the ways in which it may have been written, with their names."""
    in_hex = digest.hex()
    yield base64.b64encode(digest), "base64"
    yield in_hex.encode(), "hexadecimal"
    for text in (in_hex, in_hex.upper()):
        yield base64.b64encode(text.encode()), "base64 of the hexadecimal digest"


def _forms(came: bytes) -> Iterator[tuple[bytes, tuple[Mistake, ...]]]:
    """Return what a signature may have been before it was sent, with the mistake made then."""
    spaced = Mistake(
        "The signature's + was sent as it is, and so arrived as a space.",
        "Percent-encode the signature in the URL: + is %2B, / is %2F, = is %3D.",
        "sent",
        None,
    )
    twice = Mistake(
        "The signature was percent-encoded twice.", "Encode it once; most HTTP libraries do it.", "sent", None
    )
    capitals = Mistake("The signature has capital letters.", "Write it in small letters.", "sent", None)
    yield came.lower(), (capitals,)
    yield unquote(came.decode(errors="replace")).encode(errors="replace"), (twice,)
    yield came.replace(b" ", b"+"), (spaced,)
    yield came, ()


def _written(way: str, right: str) -> tuple[Mistake, ...]:
    if way == right:
        return ()
    remedy = f"Write the digest's bytes in {right}, once."
    return (Mistake(f"The signature is written in {way}.", remedy, "written", None),)

"""Pushes of receipts, as vendors send them."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from otpconv.dialects.receipts import Delivery, Push, ReceiptWire
from otpconv.errors import Refused, SignatureMismatch

#: When the pushes arrive: 2026-11-26 21:51:35 UTC, ms.
NOW = 1_795_729_895_000
URL = "https://otp.example.com/hooks/main/s3cret"


def push(body: bytes = b"", *, url: str = URL, method: str = "POST", now: int = NOW, **headers: str) -> Push:
    """A push; the names of headers have underscores."""
    fields = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Push(method, url, url.partition("?")[2].encode(), fields, body, now)


def json_push(value: object, *, url: str = URL, **headers: str) -> Push:
    return push(json.dumps(value).encode(), url=url, content_type="application/json", **headers)


def read(wire: ReceiptWire, pushed: Push) -> list[Delivery]:
    """Read a push whose items are all well-formed."""
    items = wire.read(pushed).items
    assert all(isinstance(item, Delivery) for item in items), items
    return [item for item in items if isinstance(item, Delivery)]


def refusals(wire: ReceiptWire, pushed: Push) -> list[str]:
    return [item.text for item in wire.read(pushed).items if isinstance(item, Refused)]


def is_verified(wire: ReceiptWire, pushed: Push, values: Mapping[str, str]) -> bool:
    try:
        wire.verify(pushed, values)
    except SignatureMismatch:
        return False
    return True


def mutated(text: str) -> Iterator[str]:
    """Texts that differ from one in one character, or lack one, or have one more."""
    for place in range(0, len(text), max(1, len(text) // 12)):
        other = "b" if text[place] == "a" else "a"
        yield text[:place] + other + text[place + 1 :]
        yield text[:place] + text[place + 1 :]
    yield text + "0"


def refuse_each(check: Callable[[Any], bool], mutants: Iterator[Any]) -> int:
    """Check that each mutant is refused, as a forgery or as malformed, and return how many there were."""
    count = 0
    for mutant in mutants:
        count += 1
        try:
            taken = check(mutant)
        except Refused:
            taken = False
        assert not taken, mutant
    return count


def with_body(pushed: Push, body: bytes) -> Push:
    return replace(pushed, body=body)


def answers(wire: ReceiptWire) -> tuple[int, bytes]:
    response = wire.success(["recorded"])
    return response.status, response.body

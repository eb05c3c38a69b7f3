"""The usual mistakes of people who sign or send their secret by themselves, whatever the vendor.

Each is a change of the secret or of the request; `diagnosis` verifies the signature with the change made, and
so finds the mistake that was made.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct, structs

from otpconv.dialects.dialect import HttpRequest


class Variant(Struct, frozen=True):
    """A call as it would have been signed with a mistake.

    Attributes:
        what: the mistake.
        remedy: what to do.
        call: the call that was signed then.
    """

    what: str
    remedy: str
    call: Any


class SecretVariant(Struct, frozen=True):
    """A secret as it would have been used with a mistake; see `Variant`."""

    what: str
    remedy: str
    secret: str


class RequestVariant(Struct, frozen=True):
    """A request as it would have been signed with a mistake; see `Variant`."""

    what: str
    remedy: str
    request: HttpRequest


#: The remedy if something was added to the secret where it is read.
STRIP: Final = "Strip the AccessKeySecret where it is read; read a file with a BOM as utf-8-sig."
#: What may be added to the secret where it is read.
AROUND: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("a line feed behind it", lambda secret: f"{secret}\n"),
    ("CR LF behind it", lambda secret: f"{secret}\r\n"),
    ("a carriage return behind it", lambda secret: f"{secret}\r"),
    ("a byte order mark (BOM) before it", lambda secret: f"\ufeff{secret}"),
    ("a byte order mark (BOM) before it and CR LF behind it", lambda secret: f"\ufeff{secret}\r\n"),
    ("a byte order mark (BOM) before it and a line feed behind it", lambda secret: f"\ufeff{secret}\n"),
    ("a space behind it", lambda secret: f"{secret} "),
    ("quotation marks around it", lambda secret: f'"{secret}"'),
    ("apostrophes around it", lambda secret: f"'{secret}'"),
)


def secret_variants(secret: str, others: Mapping[str, str]) -> Iterator[SecretVariant]:
    """Return how the secret is often used; `others` are the secrets of other access keys, by id."""
    for what, change in AROUND:
        yield SecretVariant(f"The secret was used with {what}.", STRIP, change(secret))
    yield SecretVariant(
        "An & was appended to the secret, as Alibaba's signature V1 wants it.",
        "Use the bare AccessKeySecret.",
        f"{secret}&",
    )
    yield SecretVariant(
        "The base64 of the secret was used in place of the secret.",
        "Use the AccessKeySecret as it is. A vendor whose API key is base64 has it decoded once.",
        base64.b64encode(secret.encode()).decode(),
    )
    for access_key_id, other in others.items():
        yield SecretVariant(
            f"The secret is that of the access key {access_key_id}.",
            "Send the AccessKeyId that the secret belongs to.",
            other,
        )


def request_variants(request: HttpRequest) -> Iterator[RequestVariant]:
    """Return the requests that people often sign when they send this one."""
    yield from _hosts(request)
    yield from _bodies(request)
    for method in {"GET", "POST", "PUT"} - {request.method}:
        yield RequestVariant(
            f"It was signed as {method} and sent as {request.method}.",
            f"Sign the method that is sent; pasted without a method, it was taken for {request.method}.",
            structs.replace(request, method=method),
        )
    other = request.path.rstrip("/") if request.path.endswith("/") else f"{request.path}/"
    yield RequestVariant(
        f"The path was signed as {other!r} and sent as {request.path!r}.",
        "Sign the path that is sent.",
        structs.replace(request, path=other),
    )
    kind = request.fields.get(b"content-type", b"")
    for value in {kind.partition(b";")[0].strip(), kind + b"; charset=utf-8", b""} - {kind}:
        yield RequestVariant(
            f"The Content-Type was signed as {value.decode('latin-1')!r}, and sent as"
            f" {kind.decode('latin-1')!r}.",
            "Sign the Content-Type as it is sent; set it yourself, so that no library adds to it.",
            structs.replace(request, fields=request.fields | {b"content-type": value}),
        )


def _hosts(request: HttpRequest) -> Iterator[RequestVariant]:
    host = request.fields.get(b"host", b"").decode("latin-1")
    name = host.rpartition(":")[0] or host
    for other in dict.fromkeys((name, f"{name}:80", f"{name}:443", f"{name}:8080")):
        if host and other != host:
            yield RequestVariant(
                f"The host was signed as {other}, and sent as {host}.",
                "Sign the host as it is sent: with its port, unless that is the usual one.",
                structs.replace(request, fields=request.fields | {b"host": other.encode("latin-1")}),
            )


def _bodies(request: HttpRequest) -> Iterator[RequestVariant]:
    body = request.body
    for what, other in (
        ("without a body", b""),
        ("with a line feed behind the body", body + b"\n"),
        ("with CR LF behind the body", body + b"\r\n"),
        ("with a byte order mark before the body", b"\xef\xbb\xbf" + body),
        ("without the white space around the body", body.strip()),
        ("with a body without spaces after : and ,", body.replace(b": ", b":").replace(b", ", b",")),
        ("with a body with spaces after : and ,", body.replace(b'":', b'": ').replace(b',"', b', "')),
    ):
        if other != body:
            yield RequestVariant(
                f"It was signed {what}.",
                "Sign the exact bytes that are sent: serialize the body once.",
                structs.replace(request, body=other),
            )

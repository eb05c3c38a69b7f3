"""Reading parameters out of a query, a form body or a JSON body.

A name given twice in one of them is refused: which of the two was meant, nobody can say, and proxies and
languages differ in which one they take.
"""

import re
from json import JSONDecoder
from typing import Final
from urllib.parse import unquote_to_bytes

from msgspec import DecodeError, Raw, Struct, json

from otpconv.dialects.alibaba.wire.refusal import GatewayError, invalid
from otpconv.dialects.alibaba.wire.signature import canonical

#: A query or a body of more is not read: a report has less than 2 KiB, a session policy up to 24.
MAX_BYTES = 32 * 1024
#: Parameters of a query or a body at most; the operation with the most has 20.
MAX_PARAMETERS = 100
#: Values in a JSON body at most, with all lists and objects in it, counted by the characters between them.
MAX_VALUES = 1_000

# Control characters have no place in any parameter, and NUL none in a database's text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

# A query that is percent-encoded already as signatures want it: everything but the unreserved characters, and
# those never; names are unreserved.
_ESCAPE = rb"%(?:[0189A-F][0-9A-F]|2[0-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-DF])"
_PAIR = rb"[A-Za-z0-9\-._~]++=(?:[A-Za-z0-9\-._~]++|%b)*+" % _ESCAPE
_CANONICAL = re.compile(rb"%b(?:&%b)*+" % (_PAIR, _PAIR))

_OBJECT = json.Decoder(dict[str, Raw])
_STRING = json.Decoder(str)


class Query(Struct, frozen=True):
    """The parameters of a query.

    Attributes:
        parameters: names and values, decoded.
        encoded: the same as they came, where that is how signatures want them; else None.
        in_order: the query as it came, where that is all that `canonical` would make of it; else None.
    """

    parameters: dict[str, str]
    encoded: dict[str, str] | None = None
    in_order: str | None = None

    def canonical(self, *, without: str | None = None) -> str:
        """Return what `signature.canonical` gives for the parameters, spared the encoding where it can be."""
        if self.in_order is not None and without is None:
            return self.in_order
        if self.encoded is None:
            return canonical(self.parameters, without=without)
        pairs = sorted(self.encoded.items())
        if without is not None:
            pairs = [pair for pair in pairs if pair[0] != without]
        return "&".join(map("=".join, pairs))


def from_query(raw: bytes) -> Query:
    """Return the parameters of a query.

    Raises:
        GatewayError: as `from_form`.
    """
    if len(raw) <= MAX_BYTES and raw.count(b"&") <= MAX_PARAMETERS and _CANONICAL.fullmatch(raw):
        text = raw.decode()
        pairs = text.split("&")
        encoded = dict([pair.split("=") for pair in pairs])
        if len(encoded) == len(pairs):
            in_order = text if [*encoded] == sorted(encoded) else None
            if "%" not in text:
                return Query(encoded, encoded, in_order)
            decoded = {name: _unescape(value) if "%" in value else value for name, value in encoded.items()}
            return Query(decoded, encoded, in_order)
    return Query(from_form(raw))


def from_form(raw: bytes) -> dict[str, str]:
    """Return the parameters of a query or a form body; blank values are kept, `+` is a space.

    Raises:
        GatewayError: not UTF-8, a control character, a name twice, or over `MAX_BYTES`.
    """
    if not raw:
        return {}
    _limit(raw)
    _limit_count(raw.count(b"&"), MAX_PARAMETERS, "parameters")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise _not_utf8() from None
    _refuse_control(text)
    parameters: dict[str, str] = {}
    for pair in filter(None, text.split("&")):
        name, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            name, value = _unescape(name), _unescape(value)
        if name in parameters:
            raise invalid(name, "It is given twice.")
        parameters[name] = value
    return parameters


def from_json(raw: bytes) -> dict[str, str]:
    """Return the members of a JSON object as texts: numbers as they are written, null as absent.

    Values that are lists or objects are kept as their JSON text, as the SDKs put them into a query.

    Raises:
        GatewayError: no JSON object in UTF-8, a control character, a name twice in it or in an object within,
            nested too deep, over `MAX_BYTES`, or a message id or a number that is neither a text nor whole.
    """
    _limit(raw)
    _limit_count(raw.count(b",") + raw.count(b"[") + raw.count(b"{"), MAX_VALUES, "values")
    try:
        text = raw.decode()
        members = _OBJECT.decode(text)
        _REPEATING.decode(text)
        parameters = {name: _text_of(value) for name, value in members.items() if bytes(value) != b"null"}
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise GatewayError("InvalidParameter", "The body must be one JSON object in UTF-8.") from None
    for name, value in parameters.items():
        _refuse_control(name)
        _refuse_control(value)
    for name in _IDENTITIES & members.keys():
        raw_value = bytes(members[name])
        if not raw_value.startswith(b'"') and not raw_value.isdigit() and raw_value != b"null":
            raise invalid(name, "It must be a JSON string, since other JSON values may change on the way.")
    return parameters


#: What names a message or a person: as a fraction, a list or an object it would become another one.
_IDENTITIES: Final = frozenset({"MessageId", "To"})


def _once(pairs: list[tuple[str, object]]) -> None:
    names = set()
    for name, _ in pairs:
        if name in names:
            raise invalid(name, "It is given twice.")
        names.add(name)


# msgspec takes the last of two members of one name; the standard library tells of both.
_REPEATING = JSONDecoder(object_pairs_hook=_once, parse_int=str, parse_float=str, parse_constant=str)


def _limit(raw: bytes) -> None:
    if len(raw) > MAX_BYTES:
        raise GatewayError(
            "InvalidParameter",
            f"Query and body may have {MAX_BYTES} bytes each, not {len(raw)}.",
        )


def _limit_count(count: int, most: int, what: str) -> None:
    if count > most:
        raise GatewayError("InvalidParameter", f"Query and body may have {most} {what} each.")


def _not_utf8() -> GatewayError:
    return GatewayError("InvalidParameter", "Parameters must be UTF-8, percent-encoded.")


def _unescape(text: str) -> str:
    try:
        plain = unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise _not_utf8() from None
    _refuse_control(plain)
    return plain


def _refuse_control(text: str) -> None:
    if _CONTROL.search(text):
        raise GatewayError("InvalidParameter", "Parameters may not hold control characters.")


def _text_of(value: Raw) -> str:
    raw = bytes(value)
    return _STRING.decode(raw) if raw.startswith(b'"') else raw.decode()

"""Parses policy documents: JSON to statements, or an error that names the place.

The grammar is RAM's: `Version` "1", and statements of `Effect`, `Action` or `NotAction`, `Resource` and
perhaps `Condition`. The parser refuses everything that could be misread, because an ignored part of a policy
is a security hole: unknown and repeated members, keys in another case, address ranges with host bits.
It accepts actions and condition keys that this server does not know, because policies are shared with other
services; see `cautions`.
"""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, Literal, NoReturn

from msgspec import Struct

from otpconv.access.policies.conditions import KEYS, OPERATORS, Condition, Context, compile_condition
from otpconv.access.policies.patterns import Globs, ResourcePattern, parse_resource, require_action
from otpconv.errors import InvalidRequest
from otpconv.spelling import nearest

#: Larger documents are refused; RAM has the same limit.
MAX_BYTES: Final = 6_144

_DOCUMENT = "A policy has Version and Statement"
_STATEMENT = "a statement has Effect, Action or NotAction, Resource and perhaps Condition"
_REASONS: Final = {
    "NotResource": "is not supported; name with Resource what the statement is about",
    "Principal": "belongs to trust policies only; whom this policy is for, attaching it decides",
    "NotPrincipal": "is not supported; whom this policy is for, attaching it decides",
}
_SHOWN_CHARS: Final = 64


class Statement(Struct, frozen=True):
    """One statement of a policy.

    Attributes:
        effect: `Allow` or `Deny`.
        actions: patterns of actions, as written in the policy.
        excepted: whether the statement applies to all *other* actions: `NotAction`.
        resources: the resources that it applies to.
        conditions: all of them must hold; an empty sequence always holds.
        globs: the compiled patterns of the actions, in lower case.
    """

    effect: Literal["Allow", "Deny"]
    actions: tuple[str, ...]
    excepted: bool
    resources: tuple[ResourcePattern, ...]
    conditions: tuple[Condition, ...]
    globs: Globs

    def is_about(self, action: str) -> bool:
        """Return whether the statement covers an action, given in lower case."""
        return self.globs.matches(action) is not self.excepted

    def applies(self, action: str, resource: Sequence[str], context: Context) -> bool:
        """Return whether the statement applies to a request.

        Args:
            action: in lower case.
            resource: its parts, see `patterns.resource_parts`.
            context: the known facts about the request.
        """
        return (
            self.is_about(action)
            and any(pattern.matches(resource) for pattern in self.resources)
            and all(condition.holds(context) for condition in self.conditions)
        )


class Document(Struct, frozen=True):
    """A policy.

    Attributes:
        statements: in the order of the document; the order does not affect decisions.
    """

    statements: tuple[Statement, ...]


class _Object(Struct):
    """A JSON object with all its members, including repeated ones."""

    pairs: list[tuple[str, object]]


def parse_document(text: str | bytes) -> Document:
    """Parse a policy from JSON.

    Args:
        text: at most 6,144 bytes of UTF-8.

    Raises:
        InvalidRequest: the text is not a policy; the error says where, and what to write there.
    """
    members = _members(_decode(text), "", ("Version", "Statement"), _DOCUMENT)
    version = _required(members, "", "Version")
    if version != "1":
        raise _refused("Version", 'must be the text "1"')
    statements = tuple(_statement(item, place) for item, place in _several(members, "", "Statement"))
    return Document(statements)


def _decode(text: str | bytes) -> object:
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > MAX_BYTES:
        raise _refused("", f"has {len(raw):,} bytes; write it with at most {MAX_BYTES:,}, or as two policies")
    try:
        return json.loads(
            raw.decode(),
            object_pairs_hook=_Object,
            parse_int=Decimal,
            parse_float=Decimal,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        raise _refused(
            "", f"is not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except (ValueError, ArithmeticError):
        raise _refused("", "is not valid JSON in UTF-8, or has a number that is out of range") from None
    except RecursionError:
        raise _refused("", "is nested too deep; no policy needs more than six levels") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _statement(value: object, place: str) -> Statement:
    known = ("Effect", "Action", "NotAction", "Resource", "Condition")
    members = _members(value, place, known, _STATEMENT)
    effect = _required(members, place, "Effect")
    if effect not in ("Allow", "Deny"):
        raise _refused(f"{place}.Effect", 'must be "Allow" or "Deny"')
    if ("Action" in members) is ("NotAction" in members):
        raise _refused(place, "must have either Action or NotAction")
    excepted = "NotAction" in members
    actions = tuple(_actions(members, place, "NotAction" if excepted else "Action"))
    return Statement(
        effect=effect,
        actions=actions,
        excepted=excepted,
        resources=tuple(_resources(members, place)),
        conditions=tuple(_conditions(members.get("Condition", _Object([])), f"{place}.Condition")),
        globs=Globs(tuple(action.lower() for action in actions)),
    )


def _actions(members: dict[str, object], place: str, name: str) -> Iterator[str]:
    for item, at in _several(members, place, name):
        action = _text(item, at)
        try:
            require_action(action)
        except ValueError as error:
            raise _refused(at, f"{_shown(action)} {error}") from None
        yield action


def _resources(members: dict[str, object], place: str) -> Iterator[ResourcePattern]:
    for item, at in _several(members, place, "Resource"):
        resource = _text(item, at)
        try:
            yield parse_resource(resource)
        except ValueError as error:
            raise _refused(at, f"{_shown(resource)} {error}") from None


def _conditions(value: object, place: str) -> Iterator[Condition]:
    for name, keys in _members(value, place).items():
        at = f"{place}.{_step(name)}"
        if name not in OPERATORS:
            meant = nearest(name, OPERATORS)
            hint = f"write {meant}" if meant else f"use one of {', '.join(OPERATORS)}"
            raise _refused(at, f"The condition operator {_shown(name)} is not supported; {hint}")
        members = _members(keys, at)
        if not members:
            raise _refused(at, "must have at least one condition key; without any, leave it out")
        for key in members:
            _check_key(key, name, f"{at}.{_step(key)}")
            values = tuple(_value(item, name, where) for item, where in _several(members, at, key))
            if name == "Bool" and len(values) > 1:
                raise _refused(f"{at}.{_step(key)}", "must have one value only; true or false is always so")
            yield compile_condition(name, key, values)


def _check_key(key: str, operator: str, place: str) -> None:
    prefix, colon, rest = key.partition(":")
    if not (prefix and colon and rest) or not key.isprintable():
        raise _refused(place, "must be a condition key of the form <ramcode>:<name>, as acs:SourceIp")
    for known, family in KEYS.items():
        if key == known and OPERATORS[operator].kind.family != family:
            fitting = [name for name, row in OPERATORS.items() if row.kind.family == family]
            raise _refused(place, f"must be under one of {', '.join(fitting)}, not under {operator}")
        if key != known and key.lower() == known.lower():
            raise _refused(place, f"must be written {known}; otherwise it would match nothing")


def _value(value: object, operator: str, place: str) -> str:
    kind = OPERATORS[operator].kind
    if isinstance(value, bool) and kind.unquoted is bool:
        value = "true" if value else "false"
    elif isinstance(value, Decimal) and kind.unquoted is Decimal:
        value = str(value)
    if not isinstance(value, str):
        raise _refused(place, f"must be {kind.noun}")
    try:
        kind.want(value)
    except ValueError:
        raise _refused(place, f"must be {kind.noun}") from None
    return value


def _members(
    value: object, place: str, known: Sequence[str] | None = None, rule: str = ""
) -> dict[str, object]:
    if not isinstance(value, _Object):
        raise _refused(place, "must be an object in braces")
    members: dict[str, object] = {}
    for name, member in value.pairs:
        at = f"{place}.{_step(name)}" if place else _step(name)
        if name in members:
            raise _refused(at, "is given twice; remove one of the two")
        if known is not None and name not in known:
            meant = nearest(name, known)
            hint = f"; did you mean {meant}" if meant else ""
            raise _refused(at, _REASONS.get(name, f"is unknown{hint}; {rule}, written exactly so"))
        members[name] = member
    return members


def _required(members: dict[str, object], place: str, name: str) -> object:
    if name not in members:
        raise _refused(place, f"must have {name}")
    return members[name]


def _several(members: dict[str, object], place: str, name: str) -> Iterator[tuple[object, str]]:
    # A single value means a list with one value.
    at = f"{place}.{_step(name)}" if place else _step(name)
    value = _required(members, place, name)
    if not isinstance(value, list):
        yield value, at
        return
    if not value:
        raise _refused(at, "must not be empty")
    for index, item in enumerate(value):
        yield item, f"{at}[{index}]"


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise _refused(place, "must be a text, or a list of texts")
    return value


def _step(name: str) -> str:
    return name if name.isprintable() and len(name) <= _SHOWN_CHARS else _shown(name)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…")


def _refused(place: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"{place or 'The policy'}: {reason}.")

"""What actions and resources a policy names: patterns in which `*` stands for any run of characters."""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from otpconv.errors import InvalidRequest

_ACTION = re.compile(r"\*|[A-Za-z0-9_.*\-]+:[A-Za-z0-9_.*\-]+")
# In lower case only: written otherwise it would match nothing, and a Deny that matches nothing is a trap.
_SERVICE = re.compile(r"[a-z0-9_.*\-]+")
_REGION_OR_ACCOUNT = re.compile(r"[A-Za-z0-9_.*\-]+")
_PARTS: Final = 5


class Globs:
    """Patterns with wildcards, compiled so that a text is compared with all of them in one pass.

    The time it takes grows with the length of the text, whatever the patterns are: nothing is tried twice.

    Args:
        patterns: `*` stands for any run of characters, also for none.
        question_mark: whether `?` stands for exactly one character; otherwise it stands for itself.
    """

    __slots__ = ("_automaton", "_exact", "_prefixes", "_question_mark", "patterns")

    def __init__(self, patterns: tuple[str, ...], *, question_mark: bool = False) -> None:
        self.patterns = patterns
        self._question_mark = question_mark
        wild = "*?" if question_mark else "*"
        exact, prefixes, others = set(), [], []
        for pattern in patterns:
            stem = pattern.rstrip("*")
            if any(char in stem for char in wild):
                others.append(pattern)
            elif stem == pattern:
                exact.add(pattern)
            else:
                prefixes.append(stem)
        self._exact = frozenset(exact)
        self._prefixes = tuple(prefixes)
        self._automaton = _Automaton(others, "?" if question_mark else None) if others else None

    def matches(self, text: str) -> bool:
        """Return whether any of the patterns matches the whole text."""
        return (
            text in self._exact
            or text.startswith(self._prefixes)
            or (self._automaton is not None and self._automaton.accepts(text))
        )

    # typing.override is not in Python 3.11, hence the markers.
    def __eq__(self, other: object) -> bool:  # type: ignore[explicit-override]
        if not isinstance(other, Globs):
            return NotImplemented
        return (self.patterns, self._question_mark) == (other.patterns, other._question_mark)

    def __hash__(self) -> int:  # type: ignore[explicit-override]
        return hash((self.patterns, self._question_mark))

    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return f"Globs({self.patterns!r}, question_mark={self._question_mark})"


class _Automaton:
    """All patterns at once: bit i of an integer tells whether what was read so far leads to state i.

    A pattern of n characters, not counting `*`, has n + 1 states in a row: as many are matched. A step by one
    character takes a state to the next one, and a `*` before a character lets its state stay.
    """

    def __init__(self, patterns: Sequence[str], question_mark: str | None) -> None:
        self._steps: dict[str, int] = {}
        self._any = self._stay = self._starts = self._accepted = 0
        state = 1
        for pattern in patterns:
            self._starts |= state
            for char in pattern:
                if char == "*":
                    self._stay |= state
                    continue
                if char == question_mark:
                    self._any |= state
                else:
                    self._steps[char] = self._steps.get(char, 0) | state
                state <<= 1
            # No step leads on from here, so that none leads into the next pattern.
            self._accepted |= state
            state <<= 1
        self._steps = {char: states | self._any for char, states in self._steps.items()}

    def accepts(self, text: str) -> bool:
        steps, stay, any_char, states = self._steps, self._stay, self._any, self._starts
        for char in text:
            states = (states & steps.get(char, any_char)) << 1 | (states & stay)
            if not states:
                return False
        return bool(states & self._accepted)


class ResourcePattern(Struct, frozen=True):
    """Resources that a statement is about.

    Attributes:
        written: as it stands in the policy.
        parts: what service, region, account and relative id must match, each for itself; empty for `*`. One
            pattern for the whole name would let a `*` of one part reach into the next.
    """

    written: str
    parts: tuple[Globs, ...] = ()

    def matches(self, resource: Sequence[str]) -> bool:
        """Return whether the pattern matches a resource, given as its parts without `acs`."""
        return all(glob.matches(part) for glob, part in zip(self.parts, resource, strict=False))


def require_action(text: str) -> None:
    """Refuse what is no pattern of actions.

    Raises:
        ValueError: it is none; says what it must be.
    """
    if _ACTION.fullmatch(text) is None:
        raise ValueError("must be * or <ramcode>:<name>, as dysms:Query*; no other wildcard is known")


def parse_resource(text: str) -> ResourcePattern:
    """Return the pattern of resources that `text` is.

    Raises:
        ValueError: it is none; says what it must be.
    """
    if text == "*":
        return ResourcePattern(text)
    # Sources differ on whether it is a wildcard here; taken literally a Deny could deny less than was meant.
    if "?" in text:
        raise ValueError("must be without ?, which stands for nothing here; use *")
    acs, *parts = text.split(":", _PARTS - 1)
    # What belongs to no region has an empty one, as a role: acs:ram::1:role/reporter.
    if acs != "acs" or len(parts) != _PARTS - 1 or not all((parts[0], *parts[2:])):
        raise ValueError(
            "must be * or acs:<ramcode>:<region>:<account-id>:<relative-id>, with * for what may be any"
        )
    if _SERVICE.fullmatch(parts[0]) is None:
        raise ValueError("must have its ramcode in lower case letters, digits and - _ . *")
    if not all(_REGION_OR_ACCOUNT.fullmatch(part) for part in parts[1:3] if part):
        raise ValueError("must have its region and account-id in letters, digits and - _ . *")
    return ResourcePattern(text, tuple(Globs((part,)) for part in parts))


def resource_parts(resource: str, action: str) -> list[str]:
    """Return the parts of what is to be done something with, without `acs`.

    Args:
        resource: `acs:<ramcode>:<region>:<account-id>:<relative-id>`; `*` means all that the action's service
            has, which a statement about less than that does not match.
        action: what is to be done, as `dysms:SmsConversion`.

    Raises:
        InvalidRequest: either is malformed.
    """
    service, colon, name = action.partition(":")
    if not (service and colon and name) or "*" in action:
        raise InvalidRequest("An action is <ramcode>:<name>, as dysms:SmsConversion, without wildcards.")
    if resource == "*":
        return [service.lower(), "*", "*", "*"]
    acs, *parts = resource.split(":", _PARTS - 1)
    if acs != "acs" or len(parts) != _PARTS - 1:
        raise InvalidRequest("A resource is * or acs:<ramcode>:<region>:<account-id>:<relative-id>.")
    return parts

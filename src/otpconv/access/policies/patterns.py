"""Patterns of actions and resources in policies; `*` matches any run of characters."""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from otpconv.errors import InvalidRequest

_ACTION = re.compile(r"\*|[A-Za-z0-9_.*\-]+:[A-Za-z0-9_.*\-]+")
# Lower case only: `ACS:` would match nothing, and a Deny that matches nothing is a trap.
_SERVICE = re.compile(r"[a-z0-9_.*\-]+")
_REGION_OR_ACCOUNT = re.compile(r"[A-Za-z0-9_.*\-]+")
_PARTS: Final = 5


class Globs:
    """Patterns with wildcards, compiled so that one pass compares a text with all of them.

    The time is proportional to the length of the text, whatever the patterns: the matching never backtracks.

    Args:
        patterns: `*` matches any run of characters, even an empty one.
        question_mark: whether `?` matches exactly one character; otherwise it matches itself.
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
    """All patterns at once: bit i of an integer is set if the text read so far leads to state i.

    A pattern of n characters, not counting `*`, has n + 1 states in a row, one for each number of matched
    characters. A character moves a state to the next one; a state before `*` also stays.
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
            # The last state of a pattern has no successor, so no step leads into the next pattern.
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
    """The resources that a statement applies to.

    Attributes:
        written: the pattern as written in the policy.
        parts: the patterns of service, region, account and relative id; empty for `*`. Each part is matched
            separately, so that a `*` in one part can't match into the next.
    """

    written: str
    parts: tuple[Globs, ...] = ()

    def matches(self, resource: Sequence[str]) -> bool:
        """Return whether the pattern matches a resource, given by its parts without `acs`."""
        return all(glob.matches(part) for glob, part in zip(self.parts, resource, strict=False))


def require_action(text: str) -> None:
    """Check that a text is a pattern of actions.

    Raises:
        ValueError: it is not; the error says how to write one.
    """
    if _ACTION.fullmatch(text) is None:
        raise ValueError("must be * or <ramcode>:<name>, as dysms:Query*; no other wildcard is known")


def parse_resource(text: str) -> ResourcePattern:
    """Parse a pattern of resources.

    Raises:
        ValueError: the text is not such a pattern; the error says how to write one.
    """
    if text == "*":
        return ResourcePattern(text)
    # Sources differ on whether this is a wildcard; if taken literally, a Deny could deny less than was meant.
    if "?" in text:
        raise ValueError("must be without ?, which stands for nothing here; use *")
    acs, *parts = text.split(":", _PARTS - 1)
    # A resource without a region has an empty one, e.g. a role: acs:ram::1:role/reporter.
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
    """Return the parts of a resource, without `acs`.

    Args:
        resource: `acs:<ramcode>:<region>:<account-id>:<relative-id>`, or `*` for all resources of the
            action's service, which a narrower statement does not match.
        action: e.g. `dysms:SmsConversion`.

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

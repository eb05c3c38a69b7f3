"""The conditions of a policy: a table of operators, with how each compares values.

A request has one or more values of a key. A plain operator holds if any of them matches any value of the
condition. A negated operator is the exact opposite: it holds if none of them matches any. If the request
lacks the key, no operator holds, negated or not. A value that the operator can't read matches nothing.
"""

import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, Literal

from msgspec import Struct

from otpconv.access.policies.patterns import Globs

#: The known facts about a request: one or more values, by condition key.
Context = Mapping[str, str | tuple[str, ...]]

_Family = Literal["String", "Numeric", "Date", "Bool", "IpAddress"]

#: The keys that otpconv knows, and the family of operators for each. Requests made with an access key never
#: have `acs:MFAPresent`.
KEYS: Final[Mapping[str, _Family]] = {
    "acs:CurrentTime": "Date",
    "acs:MFAPresent": "Bool",
    "acs:SecureTransport": "Bool",
    "acs:SourceIp": "IpAddress",
    "acs:UserAgent": "String",
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[Ee][+-]?[0-9]{1,3})?")
# Hours up to 23: later releases of the library accept 24:00, too.
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,3})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_NETWORK = re.compile(r"[0-9A-Fa-f.:]+(?:/[0-9]{1,3})?")

# IPv4 addresses in the form of IPv6 sockets, ::ffff:192.0.2.1.
_MAPPED = IPv6Network("::ffff:0:0/96")
_LOW_32_BITS = 0xFFFF_FFFF


class Network(Struct, frozen=True):
    """A range of addresses: those that equal `base` under `mask`.

    Attributes:
        version: 4 or 6.
        base: the first address, as a number.
        mask: the bits to compare.
    """

    version: int
    base: int
    mask: int


class _Kind(Struct, frozen=True):
    """How a family of operators reads values.

    Attributes:
        family: its name.
        noun: the kind of value that a policy must give, for errors.
        want: reads a value of a policy; raises ValueError if it is invalid.
        read: reads a value of a request; raises ValueError if it is invalid.
        unquoted: the type of JSON value that a policy may give instead of a string.
    """

    family: _Family
    noun: str
    want: Callable[[str], Any]
    read: Callable[[str], Any]
    unquoted: type[Decimal | bool] | None = None


class Operator(Struct, frozen=True):
    """One row of the table.

    Attributes:
        kind: how values are read.
        gather: compiles all values of a condition into one object that is fast to compare.
        test: whether a request's value matches the compiled values.
        words: the meaning of the operator, for people.
        negated: whether the test must fail instead.
    """

    kind: _Kind
    gather: Callable[[tuple[Any, ...]], Any]
    test: Callable[[Any, Any], bool]
    words: str
    negated: bool = False


class Condition(Struct, frozen=True):
    """One key in a statement's condition, with its operator.

    Attributes:
        operator: the name of the operator.
        key: the condition key.
        values: the values as written in the policy.
        wanted: the compiled values.
    """

    operator: str
    key: str
    values: tuple[str, ...]
    wanted: Any

    def holds(self, context: Context) -> bool:
        """Return whether the condition holds for a request."""
        given = context.get(self.key, ())
        values = (given,) if isinstance(given, str) else given
        row = OPERATORS[self.operator]
        return bool(values) and any(self._fits(row, value) for value in values) is not row.negated

    def _fits(self, row: Operator, value: str) -> bool:
        try:
            return row.test(row.kind.read(value), self.wanted)
        except ValueError:
            return False


def compile_condition(name: str, key: str, values: tuple[str, ...]) -> Condition:
    """Return a compiled condition.

    Args:
        name: of `OPERATORS`.
        key: the condition key.
        values: at least one.

    Raises:
        ValueError: the operator can't compare one of the values.
    """
    row = OPERATORS[name]
    return Condition(name, key, values, row.gather(tuple(row.kind.want(value) for value in values)))


def parse_instant(text: str) -> int:
    """Return the time of an ISO 8601 text, ms UTC; the text needs seconds, and Z or an offset.

    Raises:
        ValueError: the text is not such a time.
    """
    if _DATE.fullmatch(text) is None:
        raise ValueError("no date")
    return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND


def _number(text: str) -> Decimal:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("no number")
    return Decimal(text)


def _truth(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("neither true nor false")
    return text == "true"


def _network(text: str) -> Network:
    # Refuse other forms that the library accepts: written netmasks, zones, and networks with host bits.
    if _NETWORK.fullmatch(text) is None:
        raise ValueError("no address")
    network = ip_network(text)
    base, mask = int(network.network_address), int(network.netmask)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return Network(4, base & _LOW_32_BITS, mask & _LOW_32_BITS)
    return Network(network.version, base, mask)


# Requests come from the same few addresses.
@lru_cache(maxsize=1024)
def _address(text: str) -> tuple[int, int]:
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.version, int(address)


def _among(given: object, wanted: frozenset[object]) -> bool:
    return given in wanted


def _like(given: str, wanted: Globs) -> bool:
    return wanted.matches(given)


def _globs(patterns: tuple[str, ...]) -> Globs:
    return Globs(patterns, question_mark=True)


def _within(given: tuple[int, int], wanted: tuple[Network, ...]) -> bool:
    version, address = given
    return any(version == network.version and address & network.mask == network.base for network in wanted)


_TEXT = _Kind("String", "a text", str, str)
_ANY_CASE = _Kind("String", "a text", str.casefold, str.casefold)
_AMOUNT = _Kind("Numeric", "a number, e.g. 42 or 0.5", _number, _number, Decimal)
_TIME = _Kind("Date", "a date in ISO 8601, e.g. 2012-11-11T23:59:59Z", parse_instant, parse_instant)
_SWITCH = _Kind("Bool", "true or false", _truth, _truth, bool)
_PLACE = _Kind(
    "IpAddress",
    "an IP address, or a range from its first address, e.g. 10.0.0.0/8",
    _network,
    _address,
)

#: The operators by name: all that RAM documents.
OPERATORS: Final[Mapping[str, Operator]] = {
    "StringEquals": Operator(_TEXT, frozenset, _among, "is"),
    "StringNotEquals": Operator(_TEXT, frozenset, _among, "is not", negated=True),
    "StringEqualsIgnoreCase": Operator(_ANY_CASE, frozenset, _among, "is (in any case)"),
    "StringNotEqualsIgnoreCase": Operator(_ANY_CASE, frozenset, _among, "is not (in any case)", negated=True),
    "StringLike": Operator(_TEXT, _globs, _like, "is like"),
    "StringNotLike": Operator(_TEXT, _globs, _like, "is not like", negated=True),
    "NumericEquals": Operator(_AMOUNT, frozenset, _among, "equals"),
    "NumericNotEquals": Operator(_AMOUNT, frozenset, _among, "does not equal", negated=True),
    # Less than any of several values means less than the greatest of them.
    "NumericLessThan": Operator(_AMOUNT, max, operator.lt, "is less than"),
    "NumericLessThanEquals": Operator(_AMOUNT, max, operator.le, "is at most"),
    "NumericGreaterThan": Operator(_AMOUNT, min, operator.gt, "is greater than"),
    "NumericGreaterThanEquals": Operator(_AMOUNT, min, operator.ge, "is at least"),
    "DateEquals": Operator(_TIME, frozenset, _among, "is"),
    "DateNotEquals": Operator(_TIME, frozenset, _among, "is not", negated=True),
    "DateLessThan": Operator(_TIME, max, operator.lt, "is before"),
    "DateLessThanEquals": Operator(_TIME, max, operator.le, "is not after"),
    "DateGreaterThan": Operator(_TIME, min, operator.gt, "is after"),
    "DateGreaterThanEquals": Operator(_TIME, min, operator.ge, "is not before"),
    "Bool": Operator(_SWITCH, frozenset, _among, "is"),
    "IpAddress": Operator(_PLACE, tuple, _within, "is in"),
    "NotIpAddress": Operator(_PLACE, tuple, _within, "is not in", negated=True),
}

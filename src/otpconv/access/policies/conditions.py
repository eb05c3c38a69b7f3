"""The conditions of a policy: a table of operators, and what each makes of its values and of a request's.

A request has one value of a key or several. A plain operator holds when any of them fits any value of the
condition; a negated one is the exact opposite: it holds when none of them fits any. Of a key that the request
lacks nothing holds, negated or not. A value that cannot be read as what the operator compares fits nothing.
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

#: What is known of a request: a value or several, by condition key.
Context = Mapping[str, str | tuple[str, ...]]

_Family = Literal["String", "Numeric", "Date", "Bool", "IpAddress"]

#: The keys otpconv knows, and the family of operators each is compared by. No request that is made with an
#: access key has `acs:MFAPresent`.
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
# Hours to 23: the library's later releases take 24:00 too.
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,3})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_NETWORK = re.compile(r"[0-9A-Fa-f.:]+(?:/[0-9]{1,3})?")

# IPv4 addresses as IPv6 sockets show them, ::ffff:192.0.2.1.
_MAPPED = IPv6Network("::ffff:0:0/96")
_LOW_32_BITS = 0xFFFF_FFFF


class Network(Struct, frozen=True):
    """A range of addresses: those that have `base` under `mask`.

    Attributes:
        version: 4 or 6.
        base: the first address, as a number.
        mask: the bits that count.
    """

    version: int
    base: int
    mask: int


class _Kind(Struct, frozen=True):
    """How a family of operators reads values.

    Attributes:
        family: its name.
        noun: what a value of a policy must be, for errors.
        want: reads a value of a policy; ValueError when it is none.
        read: reads a value of a request; ValueError when it is none.
        unquoted: the type of JSON value a policy may give instead of a text.
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
        gather: makes one thing, fast to compare with, of all values of a condition.
        test: whether a request's value fits what was gathered.
        words: what the operator says of a key, for people.
        negated: whether the test must fail instead.
    """

    kind: _Kind
    gather: Callable[[tuple[Any, ...]], Any]
    test: Callable[[Any, Any], bool]
    words: str
    negated: bool = False


class Condition(Struct, frozen=True):
    """One key of a statement's condition, with the operator it stands under.

    Attributes:
        operator: the name of the operator.
        key: the condition key.
        values: as they stand in the policy.
        wanted: the same, compiled.
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
    """Return a condition, ready to be asked.

    Args:
        name: of `OPERATORS`.
        key: the condition key.
        values: at least one.

    Raises:
        ValueError: a value is not what the operator compares.
    """
    row = OPERATORS[name]
    return Condition(name, key, values, row.gather(tuple(row.kind.want(value) for value in values)))


def parse_instant(text: str) -> int:
    """Return the time that an ISO 8601 text gives, in ms UTC; it must have seconds, and Z or an offset.

    Raises:
        ValueError: it is none.
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
    # Not what else the library takes: netmasks written out, zones, and networks with bits of a host.
    if _NETWORK.fullmatch(text) is None:
        raise ValueError("no address")
    network = ip_network(text)
    base, mask = int(network.network_address), int(network.netmask)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return Network(4, base & _LOW_32_BITS, mask & _LOW_32_BITS)
    return Network(network.version, base, mask)


# The same few addresses come again and again.
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
_AMOUNT = _Kind("Numeric", "a number, as 42 or 0.5", _number, _number, Decimal)
_TIME = _Kind("Date", "a date in ISO 8601, as 2012-11-11T23:59:59Z", parse_instant, parse_instant)
_SWITCH = _Kind("Bool", "true or false", _truth, _truth, bool)
_PLACE = _Kind(
    "IpAddress", "an IP address, or a range that begins at its first one, as 10.0.0.0/8", _network, _address
)

#: The operators, by name: all that RAM documents.
OPERATORS: Final[Mapping[str, Operator]] = {
    "StringEquals": Operator(_TEXT, frozenset, _among, "is"),
    "StringNotEquals": Operator(_TEXT, frozenset, _among, "is not", negated=True),
    "StringEqualsIgnoreCase": Operator(_ANY_CASE, frozenset, _among, "is (in any case)"),
    "StringNotEqualsIgnoreCase": Operator(_ANY_CASE, frozenset, _among, "is not (in any case)", negated=True),
    "StringLike": Operator(_TEXT, _globs, _like, "is like"),
    "StringNotLike": Operator(_TEXT, _globs, _like, "is not like", negated=True),
    "NumericEquals": Operator(_AMOUNT, frozenset, _among, "equals"),
    "NumericNotEquals": Operator(_AMOUNT, frozenset, _among, "does not equal", negated=True),
    # Less than any of several is less than the greatest.
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

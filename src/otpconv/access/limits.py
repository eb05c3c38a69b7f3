"""Rate limits of accounts, access keys and actions, and limits of failed logins.

Each name has an allowance of tokens that refills over time (the token bucket algorithm). The allowances are
in the memory of one process, so a cluster of n nodes admits n times the limit.
"""

import contextlib
import math
import re
import sys
from collections.abc import Hashable
from ipaddress import IPv6Address

from msgspec import Struct

from otpconv.errors import Misconfigured

#: The highest rate of a limit; beyond it, the number of tokens per millisecond is too large to count exactly.
MAX_PER_SECOND = 1_000_000
MAX_BURST = 1_000_000_000

_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_NUMBER = r"([0-9]{1,10}(?:\.[0-9]{1,6})?)"
_LIMIT = re.compile(rf"\s*{_NUMBER}\s*/\s*([smhd])(?:\s+burst\s+{_NUMBER})?\s*")

#: Full allowances are not removed before there are this many allowances.
_SWEEP_FROM = 1_024

#: While memory is full, full allowances are removed at most this often.
_SWEEP_MS = 1_000

#: Longer than any textual IP address with the name of a zone.
_ADDRESS_CHARS = 64


class Limit(Struct, frozen=True):
    """A rate limit.

    Attributes:
        per_second: the sustained rate; more than 0, at most `MAX_PER_SECOND`.
        burst: how many at once after a pause; 1 to `MAX_BURST`.
    """

    per_second: float
    burst: float

    def __post_init__(self) -> None:
        if not 0 < self.per_second <= MAX_PER_SECOND:
            raise ValueError(f"A limit is more than 0 and at most {MAX_PER_SECOND} per second.")
        if not 1 <= self.burst <= MAX_BURST:
            raise ValueError(f"A burst is 1 to {MAX_BURST}.")


#: Failed logins of one source address; 20 at once let a person or a script correct a mistake.
FAILED_LOGINS = Limit(per_second=1 / 3, burst=20)


def parse_limit(text: str) -> Limit:
    """Return the limit that a setting describes.

    Args:
        text: `500/s`, `30000/m` or `500/s burst 1000`: a number per s, m, h or d. Without a burst, the same
            number is admitted at once.

    Raises:
        Misconfigured: the text is not a limit; the error says how to write one.
    """
    found = _LIMIT.fullmatch(text)
    if found is not None:
        number, unit, burst = found.groups()
        count = float(number)
        try:
            return Limit(count / _UNIT_S[unit], max(1.0, count) if burst is None else float(burst))
        except ValueError as error:
            raise Misconfigured(f"Invalid rate limit {text!r}: {error}.") from None
    raise Misconfigured(
        f"Invalid rate limit {text!r}. Use a number per s, m, h or d, e.g. 500/s, optionally with a burst: "
        "500/s burst 1000."
    )


class Allowances:
    """The remaining tokens of one limit, for each name.

    An allowance is stored as the time when it will be full again: it has
    `burst - (full_at - now) * per_second` tokens. A full allowance equals that of a new name, so it is not
    stored.

    Time is the sum of the forward steps of the clock: while the clock goes back, nothing refills, and no wait
    gets longer.

    When memory is full of allowances that are not yet full, none is removed. New names then share one
    allowance of the same limit, and a name that gets its own later starts with the tokens of the shared one.
    So a flood of names never frees any of them from its limit.

    Args:
        limit: the limit of each name.
        capacity: the maximum number of stored allowances, at about 150 bytes each.
    """

    def __init__(self, limit: Limit, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("The capacity is at least one allowance.")
        self._interval_ms = 1_000 / limit.per_second
        self._slack_ms = (limit.burst - 1) * self._interval_ms
        self._fill_ms = self._slack_ms + self._interval_ms
        self._capacity = capacity
        self._full_at: dict[Hashable, float] = {}
        self._shared_full_at = 0.0
        self._all_full_at = 0.0
        self._sweep_from = min(_SWEEP_FROM, capacity)
        self._sweep_at = 0
        # The first time that the clock gives is not a step.
        self._clock = sys.maxsize
        self._now = 0

    def __len__(self) -> int:
        return len(self._full_at)

    def idle(self, now: int) -> bool:
        """Return whether every allowance is full.

        Args:
            now: ms.
        """
        return self._advance(now) >= self._all_full_at

    def wait(self, name: Hashable, now: int) -> int:
        """Return how long until the allowance of `name` has a token, ms; 0 if it has one now.

        Args:
            name: the owner of the allowance.
            now: ms.
        """
        at = self._advance(now)
        ready_at = self._full_at.get(name, self._shared_full_at) - self._slack_ms
        return 0 if at >= ready_at else math.ceil(ready_at) - at

    def take(self, name: Hashable, now: int) -> None:
        """Take a token from the allowance of `name`; an empty allowance stays empty.

        Args:
            name: the owner of the allowance.
            now: ms.
        """
        at = self._advance(now)
        known = self._full_at.get(name)
        full_at = self._shared_full_at if known is None else known
        full_at = min(max(full_at, at) + self._interval_ms, at + self._fill_ms)
        if known is not None or len(self._full_at) < self._sweep_from or self._make_room():
            self._full_at[name] = full_at
        else:
            self._shared_full_at = full_at
        self._all_full_at = max(self._all_full_at, full_at)

    def _advance(self, now: int) -> int:
        step = now - self._clock
        self._clock = now
        if step > 0:
            self._now += step
            if self._now >= self._all_full_at and self._full_at:
                self._full_at = {}
        return self._now

    def _make_room(self) -> bool:
        """Remove the full allowances if it is time to, and return whether there is room for another one."""
        if len(self._full_at) < self._capacity or self._now >= self._sweep_at:
            self._full_at = {name: at for name, at in self._full_at.items() if at > self._now}
            # Next time, when twice as many are stored: so each new allowance costs only a few checks.
            self._sweep_from = min(max(_SWEEP_FROM, 2 * len(self._full_at)), self._capacity)
            self._sweep_at = self._now + _SWEEP_MS
        return len(self._full_at) < self._capacity


class Throttle:
    """Applies the configured limits to callers; without limits it costs one access to an attribute.

    Args:
        account: the limit of an account, for all its access keys and actions together.
        access_key: the limit of an access key.
        action: the limit of an account for each single action.
        capacity: how many accounts, access keys or actions are remembered at most, for each limit; see
            `Allowances` for the behavior beyond.
    """

    def __init__(
        self,
        *,
        account: Limit | None = None,
        access_key: Limit | None = None,
        action: Limit | None = None,
        capacity: int = 100_000,
    ) -> None:
        self._scopes = tuple(
            (scope, Allowances(limit, capacity))
            for scope, limit in enumerate((account, access_key, action))
            if limit is not None
        )

    @property
    def remembered(self) -> int:
        """The number of allowances in memory."""
        return sum(len(allowances) for _, allowances in self._scopes)

    def take(self, account: int, access_key_id: str, action: str, now: int) -> int:
        """Admit a request whose signature is verified, or return how long to wait.

        Args:
            account: the account of the request.
            access_key_id: the key that signed it.
            action: e.g. `dysms:SmsConversion`.
            now: ms.

        Returns:
            0 if the request is admitted, which takes a token from each of its allowances. Otherwise the time
            to wait, ms, at least 1: then no token is taken, and a request after that time is admitted unless
            another request of the same name takes the token first.
        """
        if not self._scopes:
            return 0
        names = (account, access_key_id, (account, action))
        wait = 0
        for scope, allowances in self._scopes:
            wait = max(wait, allowances.wait(names[scope], now))
        if not wait:
            for scope, allowances in self._scopes:
                allowances.take(names[scope], now)
        return wait


class FailedLogins:
    """Makes source addresses wait whose logins keep failing; other addresses have no effect on this.

    The source of an IPv6 address is its network of 64 bits, because one host may use all addresses in it.
    IPv4 and IPv6 have separate memories, because IPv6 addresses are cheap; see `Allowances` for a full
    memory.

    full.

    Args:
        limit: how often logins of a source may fail.
        capacity: how many sources of each kind are remembered at most; the default is more than the 65,536
            networks that a site is usually given.
    """

    def __init__(self, limit: Limit = FAILED_LOGINS, capacity: int = 100_000) -> None:
        self._ipv4 = Allowances(limit, capacity)
        self._ipv6 = Allowances(limit, capacity)

    @property
    def remembered(self) -> int:
        """The number of sources in memory."""
        return len(self._ipv4) + len(self._ipv6)

    def idle(self, now: int) -> bool:
        """Return whether no source is remembered, so that `check` admits everybody.

        Args:
            now: ms.
        """
        return self._ipv4.idle(now) and self._ipv6.idle(now)

    def check(self, address: str, now: int) -> int:
        """Return how long this source must wait before it may try to log in, ms; 0 if it may try now.

        Args:
            address: the address of the peer, or the address that a trusted proxy forwards.
            now: ms.
        """
        allowances, plain = self._of(address)
        return 0 if allowances.idle(now) else allowances.wait(_source(plain), now)

    def failed(self, address: str, now: int) -> None:
        """Count a failed login of this source.

        Args:
            address: see `check`.
            now: ms.
        """
        allowances, plain = self._of(address)
        allowances.take(_source(plain), now)

    def _of(self, address: str) -> tuple[Allowances, str]:
        # An IPv4 peer at a socket that accepts both kinds.
        plain = address.removeprefix("::ffff:")
        return (self._ipv6 if ":" in plain else self._ipv4), plain


def _source(address: str) -> str:
    if ":" in address:
        with contextlib.suppress(ValueError):
            return IPv6Address(address).packed[:8].hex()
    # An IPv4 address, or the placeholder of a peer that has no address.
    return address[:_ADDRESS_CHARS]

"""The guard against replayed requests: accepts timestamps within 15 minutes, and each nonce once."""

from array import array
from collections.abc import Callable, Iterable
from hashlib import blake2b
from heapq import heappop, heappush
from struct import Struct

from otpconv.clock import difference
from otpconv.errors import ReplayedNonce, StaleTimestamp, Unavailable

#: The largest difference between the time of a signed request and now, in either direction, ms.
WINDOW_MS = 15 * 60_000

#: Requests that are signed further ahead than this, ms, may fill only half of the memory.
_AHEAD_MS = 60_000

#: The memory is split into this many parts, so that growing one of them blocks only briefly. A power of two.
_SHARDS = 16

_SECOND_MS = 1000

_SIGNED_64_BITS = Struct(">q").unpack


class NonceGuard:
    """Remembers the nonces of signed requests for as long as their timestamps would be accepted.

    A nonce is stored as a fingerprint of 8 bytes. The timestamp is signed together with the nonce, so a
    replay has the same timestamp, and a nonce can be forgotten when its own timestamp is too old. When nonces
    are forgotten, the *floor* rises to their second, and requests signed at or before the floor are refused.
    So neither a clock that goes back nor a lack of memory ever admits a replay.

    Memory is bounded by `capacity`, at about 150 bytes per nonce. When it is full, the nonces of the oldest
    second are removed, but never those of the current second or later: the floor stays below the current
    time, whatever timestamps arrive.

    Args:
        capacity: how many nonces are remembered at most.
        keep: called before a nonce is admitted, with its fingerprint, the time of signing (ms), and the
            floor; any error that it raises refuses the request.
    """

    def __init__(
        self, capacity: int = 2_000_000, keep: Callable[[int, int, int], None] | None = None
    ) -> None:
        if capacity < 1:
            raise ValueError("The capacity is at least one nonce.")
        self._capacity = capacity
        self._keep = keep
        self._crowded = capacity // 2
        self._len = 0
        # Dictionaries of plain integers and arrays, which the garbage collector does not scan: with two
        # million nonces in sets and lists, a full collection stopped the process for 150 ms.
        self._seen: tuple[dict[int, None], ...] = tuple({} for _ in range(_SHARDS))
        self._by_second: dict[int, array[int]] = {}
        self._seconds: list[int] = []  # the keys of _by_second, as a heap
        self._floor = -1
        self._expire_at = 0

    def __len__(self) -> int:
        return self._len

    def check_time(self, signed_at: int, now: int) -> None:
        """Check the time of a request; cheap, so it is done before the signature is verified.

        Args:
            signed_at: the request's timestamp, ms.
            now: ms.

        Raises:
            StaleTimestamp: it was signed more than 15 minutes from now, or at or before the floor.
        """
        if not -WINDOW_MS <= signed_at - now <= WINDOW_MS:
            raise StaleTimestamp(
                f"The request is {difference(signed_at, now)}; at most 15 minutes either way are accepted. "
                "Set the clock, e.g. by NTP, write the time in UTC, and sign the request again."
            )
        if signed_at // _SECOND_MS <= self._floor:
            raise _below_floor(signed_at, now)

    def admit(self, access_key_id: str, nonce: str, signed_at: int, now: int) -> int:
        """Admit a request once, and remember its nonce.

        Args:
            access_key_id: the key that signed it.
            nonce: the signed nonce.
            signed_at: the request's timestamp, ms.
            now: ms.

        Returns:
            The nonce's fingerprint, a signed number of 64 bits that is the same after a restart; see
            `restore`.

        Raises:
            ReplayedNonce: this key has used the nonce within the window, with any timestamp.
            StaleTimestamp: see `check_time`.
            Unavailable: the memory for nonces of the current time is full, or they can't be stored.
        """
        second = signed_at // _SECOND_MS
        if second <= self._floor or not -WINDOW_MS <= signed_at - now <= WINDOW_MS:
            self.check_time(signed_at, now)
        # The clock may have gone back, so check both bounds.
        if not 0 < self._expire_at - now <= _SECOND_MS:
            self._expire(now)
        fingerprint = _fingerprint(access_key_id, nonce)
        if fingerprint in self._seen[fingerprint % _SHARDS]:
            raise ReplayedNonce(
                f"The nonce of this request, signed {difference(signed_at, now)}, was used before. "
                "Sign each request and each retry with a new nonce."
            )
        if self._len >= self._crowded:
            self._make_room(signed_at, now)
        if self._keep is not None:
            self._keep(fingerprint, signed_at, self._floor)
        self._remember(fingerprint, second)
        return fingerprint

    def knows(self, access_key_id: str, nonce: str) -> bool:
        """Return whether this key's nonce was admitted, and is not yet forgotten."""
        fingerprint = _fingerprint(access_key_id, nonce)
        return fingerprint in self._seen[fingerprint % _SHARDS]

    def restore(self, remembered: Iterable[tuple[int, int]], floor: int = -1) -> None:
        """Restore the nonces that were remembered before a restart, in any order.

        Args:
            remembered: fingerprints and the times of signing, ms.
            floor: the second up to which nonces may have been forgotten; -1 if none were.
        """
        self._floor = max(self._floor, floor)
        by_second: dict[int, array[int]] = {}
        for fingerprint, signed_at in remembered:
            by_second.setdefault(signed_at // _SECOND_MS, array("q")).append(fingerprint)
        # The newest first: if a nonce was forgotten and used again, the later use counts.
        for second in sorted(by_second, reverse=True):
            for fingerprint in by_second[second]:
                if fingerprint in self._seen[fingerprint % _SHARDS]:
                    continue
                if self._len >= self._capacity:
                    self._floor = max(self._floor, second)
                    return
                self._remember(fingerprint, second)

    def _remember(self, fingerprint: int, second: int) -> None:
        fingerprints = self._by_second.get(second)
        if fingerprints is None:
            fingerprints = self._by_second[second] = array("q")
            heappush(self._seconds, second)
        fingerprints.append(fingerprint)
        self._seen[fingerprint % _SHARDS][fingerprint] = None
        self._len += 1

    def _expire(self, now: int) -> None:
        self._expire_at = now + _SECOND_MS
        # A second is forgotten when its last millisecond is out of the window.
        horizon = (now - WINDOW_MS) // _SECOND_MS
        while self._seconds and self._seconds[0] < horizon:
            self._drop_oldest()

    def _make_room(self, signed_at: int, now: int) -> None:
        if signed_at > now + _AHEAD_MS:
            raise StaleTimestamp(
                f"The request is {difference(signed_at, now)}; while very many requests come in, at most a "
                "minute ahead is accepted. Set the clock, e.g. by NTP, and sign the request again."
            )
        if self._len < self._capacity:
            return
        oldest = self._seconds[0]
        if oldest >= now // _SECOND_MS:
            raise Unavailable(
                "More signed requests come in than the server can remember; try again in a second."
            )
        if signed_at // _SECOND_MS <= oldest:
            raise _below_floor(signed_at, now)
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        second = heappop(self._seconds)
        for fingerprint in self._by_second.pop(second):
            del self._seen[fingerprint % _SHARDS][fingerprint]
            self._len -= 1
        self._floor = max(self._floor, second)


def _fingerprint(access_key_id: str, nonce: str) -> int:
    digest = blake2b(f"{access_key_id}\0{nonce}".encode(), digest_size=8).digest()
    return int(_SIGNED_64_BITS(digest)[0])


def _below_floor(signed_at: int, now: int) -> StaleTimestamp:
    return StaleTimestamp(
        f"The request is {difference(signed_at, now)}, too old for the server to tell it from a replay. "
        "Sign it again."
    )

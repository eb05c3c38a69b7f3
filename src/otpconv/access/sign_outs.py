"""Sign-ins to the pages that ended early, and used one-time links; they stay ended after a restart."""

import hashlib
import threading
from typing import Protocol

from otpconv.access.keys import AccessKey
from otpconv.clock import Clock

#: Sign-outs that are stored separately for an access key; one more ends all sign-ins of the key.
MOST_A_KEY = 100

_NAME_BYTES = 16


class SignOutStore(Protocol):
    """The store of sign-outs. Any thread may call it."""

    def load(self) -> dict[str, dict[bytes, int]]:
        """Return the sign-ins that were ended one by one, by access key, each with its expiry (ms)."""

    def add(self, access_key_id: str, sign_in: bytes, until: int, now: int) -> bool:
        """Store that a sign-in has ended; it is durable when this returns.

        Args:
            access_key_id: the key of the sign-in.
            sign_in: identifies the sign-in among those of the key.
            until: when the sign-in expires by itself, ms; it is forgotten then.
            now: ms.

        Returns:
            True if the key had too many, so that all its sign-ins until now are ended instead.

        Raises:
            Unavailable: the disk is full or fails.
            Misconfigured: the file can't be used or written.
        """


class SignOuts:
    """The ended sign-ins; a lookup costs one access to a dictionary.

    Args:
        store: the store of sign-outs, read by the constructor.
        clock: the current time.
    """

    def __init__(self, store: SignOutStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._ended = store.load()
        #: Those that could not be stored.
        self._unstored: dict[str, dict[bytes, int]] = {}
        self._all_ended: dict[str, int] = {}
        self._one_at_a_time = threading.Lock()
        self._version = -1

    def refresh(self, version: int) -> None:
        """Read the sign-outs of other nodes, if there may be any. Call it outside of the event loop.

        Args:
            version: differs from the last one once the store may have changed.

        Raises:
            Unavailable: the storage failed; the known sign-outs stay.
            Misconfigured: the storage can't be used.
        """
        if version == self._version:
            return
        with self._one_at_a_time:
            ended = self._store.load()
            for key_id, sign_ins in self._unstored.items():
                ended[key_id] = ended.get(key_id, {}) | sign_ins
            self._ended = ended
        self._version = version

    def holds(self, key: AccessKey, name: str, since: int) -> bool:
        """Return whether a sign-in has ended, by itself or together with all others of its key.

        Args:
            key: the key of the sign-in.
            name: identifies the sign-in; only a hash of it is stored.
            since: when the sign-in began, ms.
        """
        if since <= max(key.sign_ins_after, self._all_ended.get(key.access_key_id, 0)):
            return True
        ended = self._ended.get(key.access_key_id)
        return ended is not None and _hash(name) in ended

    def add(self, key: AccessKey, name: str, until: int) -> bool:
        """End a sign-in for good. Waits for the disk, so call it outside of the event loop.

        Args:
            key: the key of the sign-in.
            name: identifies the sign-in.
            until: when the sign-in expires by itself, ms.

        Returns:
            Whether it was in use before; of several calls at the same time, True for one.

        Raises:
            Unavailable: it could not be stored now; the sign-in has ended until the server restarts.
            Misconfigured: the same, because the file can't be used.
        """
        key_id, now, sign_in = key.access_key_id, self._clock(), _hash(name)
        with self._one_at_a_time:
            if sign_in in self._ended.get(key_id, {}):
                return False
            self._ended[key_id] = _with(self._ended, key_id, sign_in, until, now)
            try:
                crowded = self._store.add(key_id, sign_in, until, now)
            except BaseException:
                self._unstored[key_id] = _with(self._unstored, key_id, sign_in, until, now)
                raise
            if crowded:
                self._all_ended[key_id] = now
                del self._ended[key_id]
            return True


def _with(
    ended: dict[str, dict[bytes, int]], key_id: str, sign_in: bytes, until: int, now: int
) -> dict[bytes, int]:
    """Return the ended sign-ins of a key with one more, without those that are over by themselves."""
    return {one: end for one, end in ended.get(key_id, {}).items() if end > now} | {sign_in: until}


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:_NAME_BYTES]

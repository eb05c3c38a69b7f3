"""Sign-ins to the pages that were ended early, and used one-time links: they stay ended after a restart."""

import hashlib
import threading
from typing import Protocol

from otpconv.access.keys import AccessKey
from otpconv.clock import Clock

#: Sign-outs stored separately per access key; one more ends all sign-ins of the key.
MOST_A_KEY = 100

_NAME_BYTES = 16


class SignOutStore(Protocol):
    """Where sign-outs are kept; for any thread."""

    def load(self) -> dict[str, dict[bytes, int]]:
        """Return the sign-ins that were ended one by one, by access key, and until when each is kept (ms)."""

    def add(self, access_key_id: str, sign_in: bytes, until: int, now: int) -> bool:
        """Keep that a sign-in is over; it is durable when this returns.

        Args:
            access_key_id: of the sign-in.
            sign_in: what tells it from the key's others.
            until: when it would be over by itself, ms; it is forgotten then.
            now: ms.

        Returns:
            Whether there were too many of this key, so that all its sign-ins until now are over instead.

        Raises:
            Unavailable: the disk is full or fails.
            Misconfigured: the file can't be used, or not be written.
        """


class SignOuts:
    """Which sign-ins are over; a look-up is a dictionary hit.

    Args:
        store: where they are kept; read now.
        clock: the time.
    """

    def __init__(self, store: SignOutStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._ended = store.load()
        self._all_ended: dict[str, int] = {}
        self._one_at_a_time = threading.Lock()

    def holds(self, key: AccessKey, name: str, since: int) -> bool:
        """Return whether a sign-in was ended, by itself or with all others of its key.

        Args:
            key: the key of the sign-in.
            name: what names the sign-in; only a hash of it is stored.
            since: when it began, ms.
        """
        if since <= max(key.sign_ins_after, self._all_ended.get(key.access_key_id, 0)):
            return True
        ended = self._ended.get(key.access_key_id)
        return ended is not None and _hash(name) in ended

    def add(self, key: AccessKey, name: str, until: int) -> bool:
        """End a sign-in, for good when this returns; waits for the disk, so call it beside the event loop.

        Args:
            key: the key of the sign-in.
            name: what names the sign-in.
            until: when it would be over by itself, ms.

        Returns:
            Whether it was not over before; of several calls at the same time, True for one.

        Raises:
            Unavailable: it could not be stored now; it is over until the server restarts.
            Misconfigured: the same, because of the file.
        """
        key_id, now, sign_in = key.access_key_id, self._clock(), _hash(name)
        with self._one_at_a_time:
            known = self._ended.get(key_id, {})
            if sign_in in known:
                return False
            self._ended[key_id] = {one: end for one, end in known.items() if end > now} | {sign_in: until}
            if self._store.add(key_id, sign_in, until, now):
                self._all_ended[key_id] = now
                del self._ended[key_id]
            return True


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:_NAME_BYTES]

"""Copies what the relay keeps from one storage into another one."""

from collections.abc import Iterator, Sequence
from typing import Final

from otpconv.storage.relay.contract import RelayStore, StoredSend

#: Feedbacks that are copied at once.
_AT_ONCE: Final = 5_000


def copy_relay(source: RelayStore, target: RelayStore) -> int:
    """Replace what the target keeps by a copy of the source; a relay may run on the source meanwhile.

    Call it before the journal is copied for the last time, so that the copy has not planned what it lacks.

    Returns:
        How many feedbacks were copied.

    Raises:
        Misconfigured: a storage can't be used.
        Unavailable: a storage failed.
    """
    copied = 0

    def sends() -> Iterator[Sequence[StoredSend]]:
        nonlocal copied
        after = 0
        while some := source.stored(after, _AT_ONCE):
            after = some[-1].id
            copied += len(some)
            yield some

    # The cursor first: the copy plans once more all that is planned meanwhile, which changes nothing.
    target.replace(source.cursor(), sends())
    return copied

"""What a server remembers, so that nothing that may be done once is done twice."""

from itertools import chain
from pathlib import Path
from typing import Final

from otpconv.access.nonce_log import NonceLog
from otpconv.access.nonces import WINDOW_MS, NonceGuard
from otpconv.access.once import OnceGuard, OneProcess
from otpconv.storage.contract import MINUTE_MS
from otpconv.storage.journal import Journal

#: Nonces in memory: 15 minutes of 2,200 requests per second, in about 300 MB.
_NONCES: Final = 2_000_000
#: A start reads the nonces of the time window in both directions, and of one minute more for the clock.
_NONCES_MS: Final = 2 * WINDOW_MS + MINUTE_MS


def guards(journal: Journal, shared: OnceGuard | None, data: Path, now: int) -> tuple[NonceGuard, OnceGuard]:
    """Return the guard of the nonces of this process, and the one of what all nodes may use once.

    Args:
        journal: has the nonces of recorded calls.
        shared: the second guard of a storage with several nodes. Then no nonce is written to the node's
            disk: whoever wanted to replay a call could send it to another node.
        data: the data folder.
        now: ms.

    Raises:
        Misconfigured: a file of nonces can't be read.
        Unavailable: the storage fails.
    """
    journaled = journal.nonces(now - _NONCES_MS, _NONCES)
    if shared is not None:
        nonces = NonceGuard(_NONCES)
        nonces.restore(journaled)
        return nonces, shared
    log = NonceLog(data / "nonces")
    nonces = NonceGuard(_NONCES, log.append)
    nonces.restore(chain(log.remembered(), journaled), log.floor)
    return nonces, OneProcess(log)

"""What may be used once among all nodes of a storage: sign-in links, and some signed requests."""

from typing import Protocol

from otpconv.access.nonce_log import NonceLog


class OnceGuard(Protocol):
    """Remembers used links and calls. Any thread may call it, and it may block."""

    def use(self, account: int, name: str, *, bounded: bool = True) -> bool:
        """Record durably that something is used now; return False if it was used before, at any node.

        Args:
            account: whose it is.
            name: identifies it among everything of the account that may be used once.
            bounded: whether an account may only use so much.

        Raises:
            Unavailable: the storage fails, or the account has used too much lately.
        """

    def close(self) -> None:
        """Release the file or connection."""


class OneProcess:
    """The guard where one process holds the storage, and remembers used links and calls itself.

    Args:
        log: the nonces of the process.
    """

    def __init__(self, log: NonceLog) -> None:
        self._log = log

    def use(self, account: int, name: str, *, bounded: bool = True) -> bool:  # noqa: ARG002 - as in `OnceGuard`
        """See `OnceGuard.use`: waits until the admitted nonces are on the disk."""
        self._log.sync()
        return True

    def close(self) -> None:
        """See `OnceGuard.close`."""
        self._log.close()

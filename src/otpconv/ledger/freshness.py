"""Read your own write: a question waits until the ledger has what was acknowledged before it."""

import asyncio
import contextlib

from otpconv.ledger.applier import Applier

#: How long a question waits for the ledger, s. Under full load the ledger is 0.1 to 0.25 s behind. A longer
#: lag means a large import, a rebuild or a failing disk: then the answer says that it is incomplete.
PATIENCE_S = 2.0


class Freshness:
    """Lets questions wait on the event loop for the applier; a waiting question takes no thread."""

    def __init__(self, applier: Applier) -> None:
        """Follow an applier that is not started yet."""
        self._applier = applier
        self._loop: asyncio.AbstractEventLoop | None = None
        # In the order of their positions, since acknowledged positions only grow.
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._closed = False
        applier.moved = self._moved

    async def wait(self, position: int) -> None:
        """Wait until the journal entry at `position` is in the ledger.

        Returns early after `PATIENCE_S`, when applying fails, and on `close`.
        """
        # Set before the first look at the applier: what it applies after that look is announced here.
        self._loop = asyncio.get_running_loop()
        if self._is_over(position):
            return
        applied = self._loop.create_future()
        self._waiting[applied] = position
        self._applier.hurry(position)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await applied
        finally:
            del self._waiting[applied]

    def close(self) -> None:
        """Release all that wait; nobody waits from now on."""
        self._closed = True
        self._release()

    def _is_over(self, position: int) -> bool:
        return self._applier.applied >= position or self._applier.failed is not None or self._closed

    def _moved(self) -> None:
        """Hand over to the event loop; called in the applier's thread."""
        if self._loop is not None:
            # A loop that is closed has nobody waiting.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._release)

    def _release(self) -> None:
        for applied, position in self._waiting.items():
            if not self._is_over(position):
                return
            if not applied.done():
                applied.set_result(None)

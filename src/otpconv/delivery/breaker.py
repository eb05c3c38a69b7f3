"""The circuit breaker of delivery: while the other side is broken, leave it alone, but for a few tries.

On a steady clock: kept libraries time it by the wall clock, which can be set back and keep the circuit open
for as long.
"""

import random
import time
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half-open"]

#: Failed rounds in a row that open the circuit.
_FAILURES = 5
#: The first pause after a failure, s; each further one is twice as long.
_FIRST_PAUSE_S = 0.1
#: Longest wait that the server can ask for, s.
_LONGEST_WAIT_S = 300.0


class Breaker:
    """Says when the next round of delivery may be.

    While the circuit is closed, a failed round is repeated after a pause that doubles. After five it opens:
    then nothing is sent until the pause is over, and the next round is a probe, which closes it or doubles
    the pause.
    """

    def __init__(self, longest_pause_ms: int, now: Callable[[], float] = time.monotonic) -> None:
        """Create a closed breaker.

        Args:
            longest_pause_ms: the longest pause between two tries, ms.
            now: a steady clock, s.
        """
        self._longest_s = longest_pause_ms / 1000
        self._now = now
        self._failures = 0
        self._until = 0.0

    @property
    def state(self) -> State:
        """`closed`; `open` while nothing is sent; `half-open` when the next round is a probe."""
        if self._failures < _FAILURES:
            return "closed"
        return "open" if self.wait_s() > 0 else "half-open"

    def wait_s(self) -> float:
        """Return how long nothing may be sent, s; 0 when it may now."""
        return max(0.0, self._until - self._now())

    def succeeded(self) -> None:
        """The other side has taken, or at least answered for, a report."""
        self._failures = 0
        self._until = 0.0

    def failed(self, wait_ms: int = 0) -> None:
        """A whole round came to nothing; the other side may have said how long to wait, ms."""
        self._failures += 1
        pause_s = min(_FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 30), self._longest_s)
        # Half of it by chance: many hosts that failed at once do not come back at once.
        pause_s *= 0.5 + random.random() / 2  # noqa: S311 - nothing secret
        self.hold(max(pause_s, min(wait_ms / 1000, _LONGEST_WAIT_S)))

    def busy(self, wait_ms: int) -> None:
        """The other side is well and asks to wait (ms, 0 when it does not say how long)."""
        self.hold(min(wait_ms / 1000, _LONGEST_WAIT_S) or _FIRST_PAUSE_S)

    def hold(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._until = self._now() + seconds

    def probe_now(self) -> None:
        """Let the next round be now: somebody waits for it."""
        self._until = 0.0

"""What is in the journal and not yet in the ledger, so that every look-up sees what was acknowledged."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from otpconv.model import Conversion, MessageState, Requested

#: Messages remembered at most. Beyond it the oldest are forgotten: a repeat of theirs is then counted as
#: recorded instead of unchanged, and their time is not checked, but the law makes the same numbers of it.
MAX_MESSAGES = 200_000

#: A message: its account and its id.
Key = tuple[int, str]


class Recent:
    """What the reports come to that are on their way from the journal to the ledger.

    Attributes:
        states: by message; what is stored has to be joined to it.
    """

    def __init__(self, applied: Callable[[], int]) -> None:
        """Take `applied`, which tells the position of the last journal entry in the ledger."""
        self._applied = applied
        self.states: dict[Key, MessageState] = {}
        self._upto: dict[Key, int] = {}
        self._by_number: dict[str, tuple[int, list[Requested]]] = {}
        self._heard: dict[Conversion, int] = {}
        self._batches: deque[tuple[int, list[Key], list[str], list[Conversion]]] = deque()

    def requested_for(self, number: str) -> list[Requested]:
        """Return the messages for a number (a keyed hash) that are on their way."""
        found = self._by_number.get(number)
        return found[1] if found else []

    def heard(self, conversion: Conversion) -> bool:
        """Tell whether this very conversion, known by number alone, is on its way."""
        return conversion in self._heard

    def add(self, upto: int, states: Mapping[Key, MessageState], heard: Iterable[Conversion]) -> None:
        """Remember what a batch, whose last entry is at `upto`, made of its messages, until it is applied."""
        numbers = []
        for state in states.values():
            if state.requested is not None and state.requested.number:
                number = state.requested.number
                self._by_number[number] = (upto, [*self.requested_for(number), state.requested])
                numbers.append(number)
        conversions = list(heard)
        self.states.update(states)
        self._upto.update(dict.fromkeys(states, upto))
        self._heard.update(dict.fromkeys(conversions, upto))
        self._batches.append((upto, list(states), numbers, conversions))

    def forget_applied(self) -> None:
        """Drop what has reached the ledger, and the oldest beyond the bound."""
        applied = self._applied()
        while self._batches and (self._batches[0][0] <= applied or len(self.states) > MAX_MESSAGES):
            upto, keys, numbers, conversions = self._batches.popleft()
            for key in keys:
                if self._upto.get(key, upto + 1) <= upto:
                    del self._upto[key], self.states[key]
            for number in numbers:
                if self._by_number.get(number, (upto + 1,))[0] <= upto:
                    del self._by_number[number]
            for conversion in conversions:
                if self._heard.get(conversion, upto + 1) <= upto:
                    del self._heard[conversion]

"""What is in the journal and not yet in the ledger, so that every lookup sees what was acknowledged."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from otpconv.model import BY_NUMBER_WINDOW_MS, Conversion, MessageState, Requested
from otpconv.storage.contract import DAY_MS

#: Messages and conversions in memory, counted once per batch that contains them. At the bound, a strict
#: intake refuses reports, because it can't tell which messages are unknown. Other intakes drop the oldest:
#: repeats of these count as recorded instead of unchanged, and their time is not checked, but the rates are
#: the same.
MAX_ENTRIES = 200_000

#: A message: its account and its id.
Key = tuple[int, str]


class RequestTimes:
    """When messages were requested for numbers (keyed hashes), for judging conversions known by number alone.

    Every lookup takes the same time, however many messages a number has.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self._at: dict[tuple[str, int], tuple[int, Requested]] = {}
        self._days: dict[tuple[str, int], tuple[int, int, int]] = {}

    def add(self, message: Requested, upto: int = 0) -> None:
        """Add a message of a batch whose last entry is at `upto`, if its number was reported."""
        number, at = message.number, message.requested_at
        if not number:
            return
        found = self._at.get((number, at))
        if found is not None and found[1].message_id > message.message_id:
            message = found[1]
        self._at[number, at] = upto, message
        day = number, at // DAY_MS
        _, first, last = self._days.get(day, (upto, at, at))
        self._days[day] = upto, min(first, at), max(last, at)

    def at(self, number: str, time: int) -> Requested | None:
        """Return the message requested for the number at this very time (ms); of several the law's newest."""
        found = self._at.get((number, time))
        return None if found is None else found[1]

    def is_any_before(self, number: str, time: int) -> bool:
        """Tell whether a message was requested for the number in the 24 hours up to `time` (ms)."""
        # The 24 hours begin in one day and end in the next, at the same time of day.
        today = self._days.get((number, time // DAY_MS))
        yesterday = self._days.get((number, time // DAY_MS - 1))
        return (today is not None and today[1] <= time) or (
            yesterday is not None and yesterday[2] >= time - BY_NUMBER_WINDOW_MS
        )

    def forget(self, message: Requested, upto: int) -> None:
        """Forget a message, unless a batch after `upto` has added one to the same place."""
        for times, place in (
            (self._at, (message.number, message.requested_at)),
            (self._days, (message.number, message.requested_at // DAY_MS)),
        ):
            if times.get(place, (upto + 1,))[0] <= upto:
                del times[place]


class Recent:
    """What the reports come to that are on their way from the journal to the ledger.

    Attributes:
        states: by message; what is stored has to be joined to it.
        size: how many messages and conversions are remembered; `MAX_ENTRIES` is the bound.
    """

    def __init__(self, applied: Callable[[], int]) -> None:
        """Remember nothing yet.

        Args:
            applied: returns the position of the last journal entry in the ledger.
        """
        self._applied = applied
        self.states: dict[Key, MessageState] = {}
        self.size = 0
        self._requests: RequestTimes | None = None
        self._upto: dict[Key, int] = {}
        self._heard: dict[Conversion, int] = {}
        self._batches: deque[_Batch] = deque()

    def requests(self) -> RequestTimes:
        """Return when the messages were requested, by number; kept from the first call on."""
        if self._requests is None:
            self._requests = RequestTimes()
            for upto, _, messages, _ in self._batches:
                for message in messages:
                    self._requests.add(message, upto)
        return self._requests

    def heard(self, conversion: Conversion) -> bool:
        """Tell whether this very conversion, known by number alone, is on its way."""
        return conversion in self._heard

    def add(self, upto: int, states: Mapping[Key, MessageState], heard: Iterable[Conversion]) -> None:
        """Remember what a batch, whose last entry is at `upto`, made of its messages, until it is applied."""
        conversions = list(heard)
        if not states and not conversions:
            return
        requests = [state.requested for state in states.values() if state.requested is not None]
        if self._requests is not None:
            for message in requests:
                self._requests.add(message, upto)
        self.states.update(states)
        self._upto.update(dict.fromkeys(states, upto))
        self._heard.update(dict.fromkeys(conversions, upto))
        self._batches.append((upto, list(states), requests, conversions))
        self.size += len(states) + len(conversions)

    def forget_applied(self) -> None:
        """Forget what has reached the ledger."""
        applied = self._applied()
        while self._batches and self._batches[0][0] <= applied:
            self._forget(*self._batches.popleft())

    def forget_oldest(self) -> None:
        """Forget the oldest until there is room for a batch."""
        while self.is_full():
            self._forget(*self._batches.popleft())

    def is_full(self) -> bool:
        """Tell whether there is no room for another batch."""
        return self.size >= MAX_ENTRIES

    def _forget(
        self, upto: int, keys: list[Key], requests: list[Requested], conversions: list[Conversion]
    ) -> None:
        self.size -= len(keys) + len(conversions)
        for key in keys:
            if self._upto.get(key, upto + 1) <= upto:
                del self._upto[key], self.states[key]
        if self._requests is not None:
            for message in requests:
                self._requests.forget(message, upto)
        for conversion in conversions:
            if self._heard.get(conversion, upto + 1) <= upto:
                del self._heard[conversion]


#: The position of its last entry, and what it is about.
_Batch = tuple[int, list[Key], list[Requested], list[Conversion]]

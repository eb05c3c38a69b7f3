"""Reports in the journal that are not yet in the ledger, so that every lookup sees acknowledged reports."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

from otpconv.model import BY_NUMBER_WINDOW_MS, Conversion, MessageState, Requested
from otpconv.receipts import ReceiptState
from otpconv.storage.contract import DAY_MS

#: Messages, conversions and receipts in memory, counted once per batch that contains them. At the bound, a
#: strict intake refuses reports, because it can't tell which messages are unknown. Other intakes drop the
#: oldest: repeats of these count as recorded instead of unchanged, and their time is not checked, but the
#: rates are the same.
MAX_ENTRIES = 200_000
#: Entries to forget in one commit, twice as many as it may add: the applier may bring far more into the
#: ledger at once.
FORGOTTEN_AT_ONCE = 4_000

#: A message: its account and its id.
MessageKey = tuple[int, str]

_State = TypeVar("_State", MessageState, ReceiptState)


class RequestTimes:
    """When messages were requested for numbers (keyed hashes), for judging conversions known by number alone.

    Every lookup takes the same time, however many messages a number has.
    """

    def __init__(self) -> None:
        """Start empty."""
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
        """Return the message requested for the number at exactly this time (ms); of several the newest."""
        found = self._at.get((number, time))
        return None if found is None else found[1]

    def is_any_before(self, number: str, time: int) -> bool:
        """Return whether a message was requested for the number in the 24 hours up to `time` (ms)."""
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
    """The joined state of the reports that are on their way from the journal to the ledger.

    Attributes:
        states: by message; join it with the state in the ledger.
        receipts: by account and the vendor's id of the message; likewise.
        size: how many messages, conversions and ids with receipts are remembered; `MAX_ENTRIES` is the bound.
        forgotten: the position up to which reports were forgotten, since the ledger has them.
    """

    def __init__(self, applied: Callable[[], int]) -> None:
        """Start empty.

        Args:
            applied: returns the position of the last journal entry in the ledger.
        """
        self._applied = applied
        self.states: dict[MessageKey, MessageState] = {}
        self.receipts: dict[MessageKey, ReceiptState] = {}
        self.size = 0
        self.forgotten = 0
        self._requests: RequestTimes | None = None
        self._upto: dict[MessageKey, int] = {}
        self._conversions: dict[Conversion, int] = {}
        self._receipts_upto: dict[MessageKey, int] = {}
        self._batches: deque[_Batch] = deque()

    def requests(self) -> RequestTimes:
        """Return when the messages were requested, by number; kept from the first call on."""
        if self._requests is None:
            self._requests = RequestTimes()
            for upto, _, messages, _, _ in self._batches:
                for message in messages:
                    self._requests.add(message, upto)
        return self._requests

    def has_conversion(self, conversion: Conversion) -> bool:
        """Return whether this very conversion, known by number alone, is on its way."""
        return conversion in self._conversions

    def add(
        self,
        upto: int,
        states: Mapping[MessageKey, MessageState],
        conversions: Iterable[Conversion],
        receipts: Mapping[MessageKey, ReceiptState],
    ) -> None:
        """Remember the states of a batch, whose last entry is at `upto`, until it is applied."""
        by_number = list(conversions)
        if not states and not by_number and not receipts:
            return
        requests = [state.requested for state in states.values() if state.requested is not None]
        if self._requests is not None:
            for message in requests:
                self._requests.add(message, upto)
        _join(self.states, states)
        self._upto.update(dict.fromkeys(states, upto))
        self._conversions.update(dict.fromkeys(by_number, upto))
        _join(self.receipts, receipts)
        self._receipts_upto.update(dict.fromkeys(receipts, upto))
        self._batches.append(_Batch(upto, list(states), requests, by_number, list(receipts)))
        self.size += self._batches[-1].size

    def forget_applied(self) -> None:
        """Forget reports that are now in the ledger, up to `FORGOTTEN_AT_ONCE` entries; the rest later."""
        applied = self._applied()
        left = FORGOTTEN_AT_ONCE
        while left > 0 and self._batches and self._batches[0][0] <= applied:
            batch = self._batches.popleft()
            left -= batch.size
            self._forget(batch)
            self.forgotten = batch.upto

    def forget_oldest(self) -> None:
        """Forget the oldest until there is room for a batch."""
        while self.is_full():
            self._forget(self._batches.popleft())

    def is_full(self) -> bool:
        """Return whether there is no room for another batch."""
        return self.size >= MAX_ENTRIES

    def _forget(self, batch: "_Batch") -> None:
        self.size -= batch.size
        upto = batch.upto
        for key in batch.keys:
            if self._upto.get(key, upto + 1) <= upto:
                del self._upto[key], self.states[key]
        if self._requests is not None:
            for message in batch.requests:
                self._requests.forget(message, upto)
        for conversion in batch.conversions:
            if self._conversions.get(conversion, upto + 1) <= upto:
                del self._conversions[conversion]
        for key in batch.receipts:
            if self._receipts_upto.get(key, upto + 1) <= upto:
                del self._receipts_upto[key], self.receipts[key]


def _join(known: dict[MessageKey, _State], added: Mapping[MessageKey, _State]) -> None:
    """Join states with those of a commit that ended while they were judged."""
    for key, state in added.items():
        before = known.get(key)
        known[key] = state if before is None else before.join(state)


class _Batch(NamedTuple):
    """The position of its last entry, and what it is about."""

    upto: int
    keys: list[MessageKey]
    requests: list[Requested]
    conversions: list[Conversion]
    receipts: list[MessageKey]

    @property
    def size(self) -> int:
        return len(self.keys) + len(self.conversions) + len(self.receipts)

"""Samples the journal for the detectors: which times reports have, and when they were recorded."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Final

from otpconv.alerts.arriving import ArrivalFacts, What
from otpconv.clock import Clock
from otpconv.errors import OtpconvError
from otpconv.model import Conversion, Requested, Timing
from otpconv.service.opening import opened_look_up
from otpconv.storage.contract import MINUTE_MS
from otpconv.storage.engine import Engine
from otpconv.storage.journal import Journal, JournalEntry
from otpconv.storage.lookup import Lookup, Stored

#: Entries that are read at once, and how often in a minute at most: of more entries, evenly spaced parts.
CHUNK, MAX_CHUNKS = 500, 16
#: Conversions in a minute whose messages are looked up, at most.
MAX_CONVERSIONS: Final = 1_000
#: How long it reads in a minute, s.
_READING_S: Final = 2.0

_log = logging.getLogger(__name__)


class Arrivals:
    """Reads the newest entries of the journal once a minute, a bounded number, for all accounts at once.

    It begins at the end of the journal, and does not look at older entries. For one thread.

    Args:
        journal: has the entries.
        look_up: returns what the ledger holds about many messages.
        clock: the time now.
    """

    def __init__(self, journal: Journal, look_up: Callable[[Lookup], Stored], clock: Clock) -> None:
        self._journal = journal
        self._look_up = look_up
        self._clock = clock
        self._position: int | None = None
        self._minute = 0
        self._facts: dict[int, list[ArrivalFacts]] = {}
        self._failure = ""

    def of(self, account: int) -> Sequence[ArrivalFacts]:
        """Return the reports of an account since the last minute, once; none while they can't be read."""
        minute = self._clock() // MINUTE_MS
        if minute != self._minute:
            self._minute, self._facts = minute, {}
            try:
                self._facts = self._sampled()
                self._failure = ""
            except OtpconvError as error:
                # The applier reports a damaged journal. The other detectors don't need it, and go on.
                self._position = None
                if error.text != self._failure:
                    self._failure = error.text
                    _log.error("alerts: it is not watched whether reports are late: %s", error.text)
        return self._facts.pop(account, [])

    def _sampled(self) -> dict[int, list[ArrivalFacts]]:
        """Return the reports since the last call, by account."""
        head = self._journal.head()
        after, self._position = self._position, head
        if after is None or head <= after:
            return {}
        entries: list[JournalEntry] = []
        for start, end in chunks(after, head, time.monotonic() + _READING_S):
            entries += [each for each in self._journal.read(start, end - start) if each.position <= end]
        weight = max(1.0, (head - after) / max(1, len(entries)))
        return facts_of(entries, weight, self._look_up)


def chunks(after: int, head: int, until: float) -> Iterator[tuple[int, int]]:
    """Yield the parts of the journal to read: behind the first position of each, up to the second.

    Args:
        after: behind which position.
        head: up to which.
        until: when to stop, by the monotonic clock, s.
    """
    count = head - after
    many = min(MAX_CHUNKS, -(-count // CHUNK))
    for place in range(many):
        start = after + place * count // many
        if time.monotonic() > until:
            return
        yield start, min(start + CHUNK, after + (place + 1) * count // many)


def facts_of(
    entries: Sequence[JournalEntry], weight: float, look_up: Callable[[Lookup], Stored]
) -> dict[int, list[ArrivalFacts]]:
    """Return the reports among entries of the journal, by account.

    A conversion belongs to the access key that reported its message. Conversions that say nothing of when
    they were made are left out: without a time of their own, or with that of the message; and failures,
    which are often reported some time later.

    Args:
        entries: those that were read.
        weight: how many entries each of them stands for.
        look_up: returns what the ledger holds about many messages.
    """
    times: dict[tuple[int, str, What], list[tuple[int, int]]] = {}
    conversions: list[tuple[Conversion, int]] = []
    for entry in entries:
        report = entry.report
        if isinstance(report, Requested):
            key = report.account, report.dimensions.access_key
            times.setdefault((*key, "message"), []).append((report.requested_at, entry.recorded_at))
        elif isinstance(report, Conversion) and report.delivered and report.timing is Timing.GIVEN:
            conversions.append((report, entry.recorded_at))
    step = max(1, -(-len(conversions) // MAX_CONVERSIONS))
    some = conversions[::step]
    messages = _messages([report for report, _ in some], look_up)
    for report, recorded_at in some:
        message = messages.get(report)
        if message is not None and report.conversion_time > message.requested_at:
            name: tuple[int, str, What] = (message.account, message.dimensions.access_key, "conversion")
            times.setdefault(name, []).append((report.conversion_time, recorded_at))
    facts: dict[int, list[ArrivalFacts]] = {}
    for (account, access_key, what), reports in times.items():
        if access_key:
            each = weight * step if what == "conversion" else weight
            facts.setdefault(account, []).append(ArrivalFacts(access_key, what, reports, each))
    return facts


def _messages(
    conversions: Sequence[Conversion], look_up: Callable[[Lookup], Stored]
) -> dict[Conversion, Requested]:
    """Return the messages that conversions are about, as far as the ledger knows them."""
    if not conversions:
        return {}
    ids: dict[int, set[str]] = {}
    for each in conversions:
        if each.message_id:
            ids.setdefault(each.account, set()).add(each.message_id)
    stored = look_up(Lookup(ids, {}, [each for each in conversions if not each.message_id]))
    found = dict(stored.owners)
    for each in conversions:
        state = stored.states.get(each.account, {}).get(each.message_id)
        if state is not None and state.requested is not None:
            found[each] = state.requested
    return found


@contextmanager
def opened_arrivals(engine: Engine, clock: Clock) -> Iterator[Arrivals]:
    """Open the journal and the ledger to sample reports; closed on leaving.

    Args:
        engine: the storage.
        clock: the time now.

    Raises:
        Misconfigured: the storage can't be used.
        Unavailable: the storage failed.
    """
    with closing(engine.journal()) as journal, opened_look_up(engine) as look_up:
        yield Arrivals(journal, look_up, clock)

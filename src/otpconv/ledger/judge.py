"""Checking reports: what contradicts what is known, what is new, and what was known before."""

from collections.abc import Sequence

from otpconv.clock import iso_8601
from otpconv.errors import InvalidTime, NumberMismatch, UnknownMessage
from otpconv.ledger.recent import Key, Recent, RequestTimes
from otpconv.model import (
    CLOCK_SKEW_MS,
    Conversion,
    Expiry,
    MessageState,
    Report,
    Requested,
    SelfReportedRate,
    Timing,
    owner,
    state_of,
)
from otpconv.storage.contract import Entry, Ledger

#: Times before the year 2000 are mistakes, e.g. seconds instead of milliseconds, ms.
EARLIEST_MS = 946_684_800_000

_NOTHING = MessageState()


class Judge:
    """Holds the reports of one batch against what is known, and against those before them in the batch.

    Attributes:
        on_its_way: what is on its way about the messages of the batch, with what the batch adds to it.
        heard: new conversions known by number alone.
    """

    def __init__(
        self, batch: Sequence[Entry], ledger: Ledger, recent: Recent, *, latest: int, strict: bool
    ) -> None:
        """Look up what the batch is about.

        Args:
            batch: the reports to be judged, each once, in this order.
            ledger: what is stored.
            recent: what is on its way into the ledger.
            latest: the latest time a report can name, ms.
            strict: refuse conversions of unknown messages.
        """
        self._ledger = ledger
        self._recent = recent
        self._latest = latest
        self._strict = strict
        self.on_its_way: dict[Key, MessageState] = {}
        self.heard: set[Conversion] = set()
        self._requests: RequestTimes | None = None
        self._stored: dict[int, dict[str, MessageState]] = {}
        converted: dict[int, set[str]] = {}
        requested: dict[int, set[str]] = {}
        for entry in batch:
            report = entry.report
            if isinstance(report, SelfReportedRate | Expiry) or not report.message_id:
                continue
            key = account, message_id = report.account, report.message_id
            wanted = converted
            state = recent.states.get(key)
            if state is not None:
                self.on_its_way[key] = state
                if state.requested is not None:
                    wanted = requested
            if isinstance(report, Requested):
                wanted = requested
            if account not in wanted:
                wanted[account] = set()
            wanted[account].add(message_id)
        # An outline costs a third; it will do where no other request is to be held against the stored one.
        for account, message_ids in converted.items():
            self._stored[account] = ledger.outlines(account, message_ids)
        for account, message_ids in requested.items():
            self._stored.setdefault(account, {}).update(ledger.states(account, message_ids))

    def is_new(self, report: Report | Expiry) -> bool:
        """Tell whether the report adds anything to what is known.

        Raises:
            Refused: it contradicts what is known, or its time can't be.
        """
        if isinstance(report, Conversion):
            if not EARLIEST_MS <= report.conversion_time <= self._latest:
                raise self._impossible("conversion_time", report.conversion_time)
            return self._is_new_conversion(report) if report.message_id else self._is_new_by_number(report)
        if isinstance(report, Requested):
            if not EARLIEST_MS <= report.requested_at <= self._latest:
                raise self._impossible("requested_at", report.requested_at)
            return self._is_new_request(report)
        if isinstance(report, SelfReportedRate) and not EARLIEST_MS <= report.report_time <= self._latest:
            raise self._impossible("report_time", report.report_time)
        return True

    def _is_new_request(self, report: Requested) -> bool:
        key = report.account, report.message_id
        on_its_way = self.on_its_way.get(key)
        state = self._known(key, on_its_way)
        if state and state.requested and state.requested.precedence() <= report.precedence():
            return False
        self.on_its_way[key] = state_of(report).join(on_its_way or _NOTHING)
        if self._requests is not None:
            self._requests.add(report)
        return True

    def _is_new_conversion(self, report: Conversion) -> bool:
        key = report.account, report.message_id
        on_its_way = self.on_its_way.get(key)
        state = self._known(key, on_its_way)
        if state is None or state.requested is None:
            if self._strict:
                raise UnknownMessage(f"No message {report.message_id} was reported as requested.")
        else:
            if report.timing is Timing.GIVEN:
                _check_after(report, state.requested)
            if report.number and state.requested.number and report.number != state.requested.number:
                raise NumberMismatch(f"Message {report.message_id} was requested for another number.")
        if state is not None and _absorbs(state, report):
            return False
        self.on_its_way[key] = (on_its_way or _NOTHING).with_conversion(report)
        return True

    def _is_new_by_number(self, report: Conversion) -> bool:
        number, time = report.number, report.conversion_time
        stored = self._ledger.newest(report.account, number, time)
        on_their_way = self._requests_of_batch(), self._recent.requests()
        known = [message for each in on_their_way if (message := each.at(number, time)) is not None]
        message = owner(known if stored is None else [stored, *known], time)
        if message is not None:
            # Only of one that was requested at this very time it can be too early.
            if time <= message.requested_at and self._stands(message):
                _check_after(report, message)
        elif self._strict and not any(each.is_any_before(number, time) for each in on_their_way):
            raise UnknownMessage("No message was requested for this number in the 24 hours before.")
        if report in self.heard or self._recent.heard(report) or self._ledger.heard(report):
            return False
        self.heard.add(report)
        return True

    def _requests_of_batch(self) -> RequestTimes:
        if self._requests is None:
            self._requests = RequestTimes()
            for state in self.on_its_way.values():
                if state.requested is not None:
                    self._requests.add(state.requested)
        return self._requests

    def _stands(self, message: Requested) -> bool:
        """Tell whether no report that won over this one is known, here or on its way."""
        stored = self._ledger.states(message.account, [message.message_id]).get(message.message_id, _NOTHING)
        key = message.account, message.message_id
        on_its_way = self.on_its_way.get(key) or self._recent.states.get(key, _NOTHING)
        return stored.join(on_its_way).requested == message

    def _known(self, key: Key, on_its_way: MessageState | None) -> MessageState | None:
        stored = self._stored[key[0]].get(key[1])
        if on_its_way is None or stored is None:
            return on_its_way or stored
        return stored.join(on_its_way)

    def _impossible(self, parameter: str, time: int) -> InvalidTime:
        if time > self._latest:
            now = self._latest - CLOCK_SKEW_MS
            return InvalidTime(
                f"{parameter} {time} is in the future: the server's time is {now} (ms), {iso_8601(now)}."
            )
        return InvalidTime(f"{parameter} {time} is before the year 2000: it is in milliseconds, not seconds.")


def _check_after(report: Conversion, message: Requested) -> None:
    if report.conversion_time <= message.requested_at:
        raise InvalidTime(
            f"conversion_time {report.conversion_time} is not after the message was requested,"
            f" at {message.requested_at} (ms)."
        )


def _absorbs(state: MessageState, report: Conversion) -> bool:
    """Return whether joining the conversion would leave the state as it is."""
    if report.timing is Timing.UNKNOWN:
        arrived = state.true_unknown if report.delivered else state.false_unknown
        return arrived is not None and arrived <= report.conversion_time
    if report.delivered and report.timing is Timing.ARRIVAL:
        return state.true_arrival is not None and state.true_arrival <= report.conversion_time
    if not report.delivered:
        return state.false_last is not None and report.conversion_time <= state.false_last
    if state.true_first is None or state.true_last is None:
        return False
    return state.true_first <= report.conversion_time <= state.true_last

"""Checks reports against the known state: finds contradictions, new reports and repeats."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from otpconv.clock import iso_8601
from otpconv.errors import InvalidTime, NumberMismatch, Refused, UnknownMessage
from otpconv.ledger.recent import MessageKey, Recent, RequestTimes
from otpconv.model import (
    CLOCK_SKEW_MS,
    Conversion,
    MessageState,
    Report,
    Requested,
    SelfReportedRate,
    Timing,
    owner,
    state_of,
)
from otpconv.receipts import Receipt, ReceiptState, receipt_state_of
from otpconv.storage.contract import Entry
from otpconv.storage.erasure import Deletion
from otpconv.storage.lookup import Lookup, Stored

#: Times before the year 2000 are mistakes, e.g. seconds instead of milliseconds, ms.
EARLIEST_MS = 946_684_800_000

_NOTHING = MessageState()
_NOTHING_STORED = Stored({}, {}, {}, set())


#: What became of a report: new, already known, or refused and why.
Judgement: TypeAlias = Literal["recorded", "unchanged"] | Refused


class Judge:
    """Compares the reports of one batch with the known state, and with those before them in the batch.

    Look `lookup` up in the ledger, then call `judge` once with what it holds.

    Args:
        batch: the reports to judge, each once, in this order.
        recent: the reports on their way into the ledger; nobody may change it until the batch is judged.
        latest: the latest time a report may name, ms.
        earliest: the earliest; messages before it were deleted, or it is `EARLIEST_MS`.
        strict: refuse conversions of unknown messages.

    Attributes:
        lookup: what must be looked up in the ledger.
        on_its_way: by message of the batch: the reports on their way, joined with those that the batch adds.
        conversions: new conversions known by number alone.
        receipts: as `on_its_way`, by account and the vendor's id of the message.
    """

    def __init__(
        self, batch: Sequence[Entry], recent: Recent, *, latest: int, earliest: int, strict: bool
    ) -> None:
        self._batch = batch
        self._recent = recent
        self._latest = latest
        self._earliest = earliest
        self._strict = strict
        self.on_its_way: dict[MessageKey, MessageState] = {}
        self.conversions: set[Conversion] = set()
        self.receipts: dict[MessageKey, ReceiptState] = {}
        self._requests: RequestTimes | None = None
        self._messages: dict[int, dict[str, MessageState]] = {}
        self._stored = _NOTHING_STORED
        converted: dict[int, set[str]] = {}
        requested: dict[int, set[str]] = {}
        by_number: list[Conversion] = []
        for entry in batch:
            report = entry.report
            if isinstance(report, SelfReportedRate | Deletion | Receipt):
                continue
            if not report.message_id and isinstance(report, Conversion):
                by_number.append(report)
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
        for report in by_number:
            message = recent.requests().at(report.number, report.conversion_time)
            if message is not None:  # `_stands` asks for it
                requested.setdefault(message.account, set()).add(message.message_id)
        # An outline costs a third. It is enough where no other request is compared with the stored one.
        self.lookup = Lookup(requested, converted, by_number, self._named_by_receipts())

    def _named_by_receipts(self) -> dict[int, set[str]]:
        """Return by account the ids that receipts name, and take in the receipts on their way."""
        named: dict[int, set[str]] = {}
        for entry in self._batch:
            receipt = entry.report
            if isinstance(receipt, Receipt):
                account, vendor_message_id = key = receipt.account, receipt.vendor_message_id
                named.setdefault(account, set()).add(vendor_message_id)
                if key in self._recent.receipts:
                    self.receipts[key] = self._recent.receipts[key]
        return named

    def judge(self, stored: Stored) -> tuple[list[Judgement], list[Entry]]:
        """Return what becomes of each entry, and those that are new and must be written.

        Args:
            stored: what the ledger holds about `lookup`.
        """
        self._stored = stored
        self._messages = stored.outlines | stored.states
        for account in stored.outlines.keys() & stored.states.keys():
            self._messages[account] = stored.outlines[account] | stored.states[account]
        judgements: list[Judgement] = []
        new: list[Entry] = []
        for entry in self._batch:
            try:
                if self._is_new(entry.report):
                    new.append(entry)
                    judgements.append("recorded")
                else:
                    judgements.append("unchanged")
            except Refused as refusal:
                judgements.append(refusal)
        return judgements, new

    def _is_new(self, report: Report | Deletion) -> bool:
        """Return whether the report adds anything to the known state.

        Raises:
            Refused: it contradicts the known state, or its time is impossible.
        """
        if isinstance(report, Conversion):
            if not self._earliest <= report.conversion_time <= self._latest:
                raise self._impossible("conversion_time", report.conversion_time)
            return self._is_new_conversion(report) if report.message_id else self._is_new_by_number(report)
        if isinstance(report, Requested):
            if not self._earliest <= report.requested_at <= self._latest:
                raise self._impossible("requested_at", report.requested_at)
            return self._is_new_request(report)
        if isinstance(report, Receipt):
            if not self._earliest <= report.time <= self._latest:
                raise self._impossible("time", report.time)
            return self._is_new_receipt(report)
        if isinstance(report, SelfReportedRate) and not EARLIEST_MS <= report.report_time <= self._latest:
            raise self._impossible("report_time", report.report_time)
        return True

    def _is_new_request(self, report: Requested) -> bool:
        key = report.account, report.message_id
        on_its_way = self.on_its_way.get(key)
        state = self._known(key, on_its_way)
        known = state.requested if state else None
        if known and known.precedence() <= report.precedence() and not _names_better(report, known):
            return False
        self.on_its_way[key] = state_of(report).join(on_its_way or _NOTHING)
        if self._requests is not None:
            self._requests.add(report)
        return True

    def _is_new_receipt(self, report: Receipt) -> bool:
        key = report.account, report.vendor_message_id
        told = receipt_state_of(report)
        on_its_way = self.receipts.get(key)
        stored = self._stored.receipts[report.account].get(report.vendor_message_id)
        state = on_its_way if stored is None else stored.join(on_its_way or stored)
        if state is not None and state.join(told) == state:
            return False
        self.receipts[key] = told if on_its_way is None else on_its_way.join(told)
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
        stored = self._stored.owners.get(report)
        on_their_way = self._requests_of_batch(), self._recent.requests()
        candidates = [message for times in on_their_way if (message := times.at(number, time)) is not None]
        message = owner(candidates if stored is None else [stored, *candidates], time)
        if message is not None:
            # A conversion can be too early only for a message that was requested at the same time.
            if time <= message.requested_at and self._stands(message, stored):
                _check_after(report, message)
        elif self._strict and not any(times.is_any_before(number, time) for times in on_their_way):
            raise UnknownMessage("No message was requested for this number in the 24 hours before.")
        if (
            report in self.conversions
            or self._recent.has_conversion(report)
            or report in self._stored.conversions
        ):
            return False
        self.conversions.add(report)
        return True

    def _requests_of_batch(self) -> RequestTimes:
        if self._requests is None:
            self._requests = RequestTimes()
            for state in self.on_its_way.values():
                if state.requested is not None:
                    self._requests.add(state.requested)
        return self._requests

    def _stands(self, message: Requested, stored: Requested | None) -> bool:
        """Return whether no other report of the message takes precedence, in the ledger or on its way.

        Args:
            message: the message that a conversion is about.
            stored: the message in the ledger that the conversion would be about.
        """
        key = message.account, message.message_id
        if message == stored:
            state = MessageState(message)
        else:
            state = self._stored.states.get(key[0], {}).get(key[1], _NOTHING)
        on_its_way = self.on_its_way.get(key) or self._recent.states.get(key, _NOTHING)
        winner = state.join(on_its_way).requested
        return winner is not None and winner.precedence() == message.precedence()

    def _known(self, key: MessageKey, on_its_way: MessageState | None) -> MessageState | None:
        stored = self._messages[key[0]].get(key[1])
        if on_its_way is None or stored is None:
            return on_its_way or stored
        return stored.join(on_its_way)

    def _impossible(self, parameter: str, time: int) -> InvalidTime:
        if time > self._latest:
            now = self._latest - CLOCK_SKEW_MS
            return InvalidTime(
                f"{parameter} {time} is in the future: the server's time is {now} (ms), {iso_8601(now)}."
            )
        if time >= EARLIEST_MS:
            return InvalidTime(
                f"{parameter} {time} is before {iso_8601(self._earliest)}: the server has deleted the"
                " messages before that time, and does not record more of them."
            )
        return InvalidTime(f"{parameter} {time} is before the year 2000: it is in milliseconds, not seconds.")


def _names_better(report: Requested, known: Requested) -> bool:
    """Return whether the report names an id of the vendor that the message would take."""
    named = report.vendor_message_id
    return bool(named) and (not known.vendor_message_id or named < known.vendor_message_id)


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

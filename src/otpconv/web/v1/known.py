"""The state and the story of messages: from the ledger, and from the reports on their way there."""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any, Final
from urllib.parse import urlencode

from msgspec.structs import replace

from otpconv.access.keys import AccessKey
from otpconv.access.number_seal import is_sealed_number
from otpconv.dialects.native.answers import FoundMessages, MessageOut, ReceiptOut
from otpconv.errors import NotFound
from otpconv.model import MESSAGE_ID_RULE, MessageState, Requested, is_message_id
from otpconv.money import decimal_text
from otpconv.rates.current import CurrentSignals
from otpconv.rates.fetch import learn_maturity
from otpconv.rates.maturity import maturity_of
from otpconv.rates.price_list import NO_PRICES, PriceList
from otpconv.rates.signals import Signal
from otpconv.rates.story import Surroundings, advise, failure_of, status_of, tell_story
from otpconv.receipts import ReceiptState, ReceiptStatus
from otpconv.service.compose import Service
from otpconv.storage.contract import DAY_MS, LedgerReader, Message
from otpconv.web.front.callers import caller_of

_DASHBOARD_PATH: Final = "/dashboard"
#: The statuses that say something about delivery.
SAID: Final = tuple(status for status in ReceiptStatus if status is not ReceiptStatus.NONE)
#: Messages to the same number that are read to find those of the same session.
_NEIGHBORS = 20


async def look_up(
    service: Service, key: AccessKey, message_id: str, zone: tzinfo = UTC
) -> tuple[MessageOut | None, int]:
    """Return the state and the story of one message, None if it is unknown, and the lag of the ledger.

    Args:
        service: asks the ledger.
        key: the key of the caller; the message is of its account.
        message_id: the id of the message.
        zone: the time zone of the story.

    Raises:
        NotFound: the text is not a message id.
        Throttled: too many questions of this caller wait.
        Unavailable: the storage failed, or is busy.
    """
    if not is_message_id(message_id):
        raise NotFound(f"There is no such message: a message id is {MESSAGE_ID_RULE}.")
    # In this order: a report that is applied in between is in both.
    recent = service.recent.states.get((key.account, message_id))
    now = service.clock()

    def question(ledger: LedgerReader) -> MessageOut | None:
        prices = PriceList(service.prices.prices(key.account))
        stored = ledger.message(key.account, message_id)
        if stored is None and recent is None:
            return None
        message = message_out(message_id, recent, stored, prices)
        requested = stored.state.requested if stored else None
        others: list[MessageOut] = []
        if requested is not None and requested.session_id and requested.number:
            neighbors = _newest(ledger, key.account, requested.number, _NEIGHBORS, prices)
            others = [other for other in neighbors if other.session_id == requested.session_id]
        add_stories(ledger, service.signals, key.account, [message], others, now, zone)
        return message

    return await service.questions.ask(caller_of(key), question, lambda message, lag: (message, lag))


async def search(
    service: Service, key: AccessKey, number: str, limit: int, zone: tzinfo = UTC
) -> tuple[FoundMessages, int]:
    """Return the newest messages to a number with their stories, and the lag of the ledger.

    Args:
        service: asks the ledger.
        key: the key of the caller; the messages are of its account.
        number: the number in E.164.
        limit: the most messages to return.
        zone: the time zone of the stories.

    Raises:
        Throttled: too many questions of this caller wait.
        Unavailable: the storage failed, or is busy.
    """
    hashed = service.number_hash(key.account, number)
    now = service.clock()

    def question(ledger: LedgerReader) -> FoundMessages:
        prices = PriceList(service.prices.prices(key.account))
        found = _newest(ledger, key.account, hashed, limit + 1, prices)
        messages = found[:limit]
        add_stories(ledger, service.signals, key.account, messages, found, now, zone)
        return FoundMessages(messages, more=len(found) > limit)

    return await service.questions.ask(caller_of(key), question, lambda found, lag: (found, lag))


def _newest(
    ledger: LedgerReader, account: int, number: str, limit: int, prices: PriceList
) -> list[MessageOut]:
    stored = ledger.messages_of_number(account, number, limit)
    return [message_out(message.message_id, None, message, prices) for message in stored]


def add_stories(  # noqa: PLR0917
    ledger: LedgerReader,
    signals: CurrentSignals,
    account: int,
    messages: Sequence[MessageOut],
    others: Sequence[MessageOut],
    now: int,
    zone: tzinfo = UTC,
) -> None:
    """Add to messages their status, story and advice, and the dashboard of the failure that explains them.

    Args:
        ledger: where the delays of the account are looked up.
        signals: finds the current failures, if a message of the last day is overdue.
        account: whose messages.
        messages: get the additions.
        others: other messages of the same user.
        now: the time now, ms.
        zone: the time zone of the stories.

    Raises:
        Unavailable: the storage failed.
    """
    learned = learn_maturity(ledger, account, {}, end=now, now=now)
    maturity = learned or maturity_of((), None)
    around = Surroundings(now, maturity, (), others, zone)
    statuses = [(status_of(message, around), message.requested_at or 0) for message in messages]
    if any(status == "overdue" and requested_at > now - DAY_MS for status, requested_at in statuses):
        around = replace(around, signals=signals.of(ledger, account, learned, now))
    for message in messages:
        message.status = status_of(message, around)
        message.story = tell_story(message, around)
        message.advice = advise(message, around)
        failure = failure_of(message, around)
        if failure is not None:
            message.dashboard = _dashboard_of(failure)


def _dashboard_of(failure: Signal) -> str:
    """Return the path of the dashboard of a slice, for the last 24 hours."""
    filters = urlencode(failure.slice.values)
    return f"{_DASHBOARD_PATH}?{filters}" if filters else _DASHBOARD_PATH


def message_out(
    message_id: str, recent: MessageState | None, stored: Message | None, prices: PriceList = NO_PRICES
) -> MessageOut:
    """Return a message as clients see it; its price is from the list if nobody reported one."""
    state = (stored.state if stored else MessageState()).join(recent or MessageState())
    times = [state.verified_at, stored.verified_at if stored else None]
    verified_at = min((time for time in times if time is not None), default=None)
    of = state.requested
    if verified_at is None and of is not None and (state.true_arrival or 0) > of.requested_at:
        # Reported too late to measure the delay; the caller still gets the time of the report.
        verified_at = state.true_arrival
    true = [time for time in (state.true_first, state.true_last, state.true_arrival) if time is not None]
    return MessageOut(
        message_id=message_id,
        requested_at=of.requested_at if of else None,
        country=(of.dimensions.country or None) if of else None,
        carrier=(of.dimensions.carrier or None) if of else None,
        provider=(of.dimensions.provider or None) if of else None,
        template=(of.dimensions.template or None) if of else None,
        sender=(of.dimensions.sender or None) if of else None,
        channel=(of.dimensions.channel or None) if of else None,
        access_key=(of.dimensions.access_key or None) if of else None,
        number_range=(of.number_range or None) if of else None,
        session_id=(of.session_id or None) if of else None,
        attempt=(of.attempt or None) if of else None,
        verified=state.verified or verified_at is not None,
        verified_at=verified_at,
        delivered_true_first=min(true, default=None),
        delivered_true_last=max(true, default=None),
        delivered_false_last=state.false_last,
        delivered_without_time=state.without_time,
        vendor_message_id=_vendor_message_id(of),
        **_of_receipts(stored.receipt if stored else None),
        **_price(of, stored.receipt if stored else None, prices),
    )


def _vendor_message_id(of: Requested | None) -> str | None:
    """Return the vendor's id of a message, unless a sealed number stands for it."""
    if of is None or is_sealed_number(of.vendor_message_id):
        return None
    return of.vendor_message_id or None


def _of_receipts(receipts: ReceiptState | None) -> dict[str, Any]:
    """Return the fields of a message that its receipts give."""
    if receipts is None or receipts.status is ReceiptStatus.NONE:
        return {}
    times = {f"{status.name.lower()}_at": receipts.times[status] for status in SAID}
    out = ReceiptOut(receipts.status.name.lower(), error=receipts.error or None, **times)
    return {"receipt": out, "segments": receipts.segments or None}


def _price(of: Requested | None, receipts: ReceiptState | None, prices: PriceList) -> dict[str, Any]:
    """Return the fields of a message about its price."""
    if receipts is not None and receipts.price is not None:
        return {"price": decimal_text(receipts.price), "currency": receipts.currency}
    if of is None:
        return {}
    kind = of.dimensions
    listed = prices.at(of.requested_at).of(kind.provider, kind.country, kind.channel)
    if listed is None:
        return {}
    return {"price": decimal_text(listed.micros), "currency": listed.currency, "price_listed": True}

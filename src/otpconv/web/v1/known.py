"""The state of one message: from the ledger, and from the reports on their way there."""

from otpconv.access.keys import AccessKey
from otpconv.dialects.native.answers import MessageOut
from otpconv.errors import NotFound
from otpconv.model import MESSAGE_ID_RULE, MessageState, is_message_id
from otpconv.service.compose import Service
from otpconv.storage.contract import Message
from otpconv.web.front.callers import caller_of


async def look_up(service: Service, key: AccessKey, message_id: str) -> tuple[MessageOut | None, int]:
    """Return the state of one message, None if it is unknown, and the lag of the ledger.

    Args:
        service: asks the ledger.
        key: of who asks; the message is of its account.
        message_id: of the message.

    Raises:
        NotFound: the text is not a message id.
        Throttled: too many questions of this caller wait.
        Unavailable: the storage failed, or is busy.
    """
    if not is_message_id(message_id):
        raise NotFound(f"There is no such message: a message id is {MESSAGE_ID_RULE}.")
    # In this order: a report that is applied in between is in both.
    recent = service.recent.states.get((key.account, message_id))

    def known(stored: Message | None, lag: int) -> tuple[MessageOut | None, int]:
        if stored is None and recent is None:
            return None, lag
        return _message_out(message_id, recent, stored), lag

    return await service.questions.ask(
        caller_of(key), lambda ledger: ledger.message(key.account, message_id), known
    )


def _message_out(message_id: str, recent: MessageState | None, stored: Message | None) -> MessageOut:
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
    )

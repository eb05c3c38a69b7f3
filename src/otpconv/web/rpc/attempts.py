"""Twilio's Verify Attempts, answered from the ledger: a list, one attempt, and their sums.

An attempt is a requested message of the account, whichever vendor sent it.
"""

import re
from collections.abc import Mapping
from typing import Final

from starlette.types import Scope

from otpconv.access.keys import AccessKey
from otpconv.dialects.dialect import HttpRequest, HttpResponse
from otpconv.dialects.twilio import attempts
from otpconv.dialects.twilio.attempts import Attempt, Filters
from otpconv.dialects.twilio.calls import FETCH_ATTEMPT, FETCH_SUMMARY, LIST_ATTEMPTS, Call
from otpconv.errors import NotFound
from otpconv.model import Requested, is_message_id
from otpconv.phone import parse
from otpconv.rates.answer import compute_rates_at
from otpconv.rates.question import RateQuery
from otpconv.service.compose import Service
from otpconv.storage.contract import LedgerReader, Message
from otpconv.web.front.callers import caller_of
from otpconv.web.front.gate import Gate
from otpconv.web.rpc.operations import Question

#: What a search by number needs too, as in the native API.
FIND_MESSAGES: Final = "otpconv:FindMessages"
#: Messages to one number that are shown at most: the newest.
MAX_OF_NUMBER: Final = 200
#: Messages that one part of the ledger gives at most.
_MOST: Final = 500
#: Parts of the ledger for one page of a list at most; the next page goes on after them.
_PARTS: Final = 10

_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


class Attempts:
    """Answers the questions about attempts.

    Args:
        service: asks the ledger.
        gate: checks permissions, and audits searches by number.
        public_url: the URL of this server, for clients that send no usable `Host`.
    """

    def __init__(self, service: Service, gate: Gate, public_url: str) -> None:
        self._service = service
        self._gate = gate
        self._public_url = public_url

    @property
    def questions(self) -> Mapping[str, Question]:
        """The questions by the permission that they need."""
        return {LIST_ATTEMPTS: self._list, FETCH_ATTEMPT: self._one, FETCH_SUMMARY: self._summary}

    async def _list(
        self, call: Call, key: AccessKey, *, scope: Scope, request: HttpRequest, now: int
    ) -> HttpResponse:
        """Return a page of attempts, the last recorded first."""
        self._gate.admit(key, LIST_ATTEMPTS, scope, now)
        filters = attempts.filters_of(call, now)
        size, token = attempts.page_size(call), attempts.page_token(call)
        base = self._base(scope, request)
        number = ""
        if filters.to:
            self._gate.authorize(key, FIND_MESSAGES, scope, now)
            number = self._service.number_hash(key.account, parse(filters.to, self._service.region).e164)

        def question(ledger: LedgerReader) -> tuple[list[Attempt], int | None]:
            return _page(ledger, key.account, filters, number, size=size, token=token)

        def finish(found: tuple[list[Attempt], int | None], _lag: int) -> tuple[int, HttpResponse]:
            return len(found[0]), attempts.page(call, found[0], base, size, found[1])

        count, response = await self._service.questions.ask(caller_of(key), question, finish)
        if number:
            self._gate.answered(key, LIST_ATTEMPTS, f"{count} messages", scope)
        return response

    async def _one(
        self, call: Call, key: AccessKey, *, scope: Scope, request: HttpRequest, now: int
    ) -> HttpResponse:
        """Return one attempt."""
        self._gate.admit(key, FETCH_ATTEMPT, scope, now)
        message_id = attempts.message_of(call.id)
        base = self._base(scope, request)

        def question(ledger: LedgerReader) -> Attempt | None:
            stored = ledger.message(key.account, message_id)
            return _attempt(stored) if stored else None

        def finish(attempt: Attempt | None, _lag: int) -> HttpResponse:
            if attempt is None:
                raise NotFound("There is no such attempt: no message with its id was reported as requested.")
            return attempts.one(call, attempt, base)

        return await self._service.questions.ask(caller_of(key), question, finish)

    async def _summary(
        self, call: Call, key: AccessKey, *, scope: Scope, request: HttpRequest, now: int
    ) -> HttpResponse:
        """Return how many attempts there were, and how many of them converted."""
        self._gate.admit(key, FETCH_SUMMARY, scope, now)
        filters = attempts.filters_of(call, now)
        base = self._base(scope, request)

        def question(ledger: LedgerReader) -> tuple[int, int]:
            if filters.prefix:
                return _sums_of_prefix(ledger, key.account, filters)
            return _sums(ledger, key.account, filters, now)

        def finish(sums: tuple[int, int], _lag: int) -> HttpResponse:
            return attempts.summary(call, *sums, base)

        return await self._service.questions.ask(caller_of(key), question, finish)

    def _base(self, scope: Scope, request: HttpRequest) -> str:
        """Return the URL of this server as the client reached it: pages link to the next one by it."""
        host = request.fields.get(b"host", b"").decode("latin-1")
        if not _HOST.fullmatch(host):
            return self._public_url
        return f"{'https' if self._gate.peers.of(scope).secure else 'http'}://{host}"


def _page(
    ledger: LedgerReader, account: int, filters: Filters, number: str, *, size: int, token: int
) -> tuple[list[Attempt], int | None]:
    """Return a page of attempts, and where the next one begins; None if this is the last one.

    Args:
        ledger: where to look.
        account: whose messages.
        filters: which messages.
        number: the keyed hash of the number in the filters; empty without one.
        size: how many attempts the page has at most.
        token: where it begins; 0 for the first.
    """
    if not filters.message_id and not number:
        return _page_of_all(ledger, account, filters, size, token)
    if filters.message_id:
        stored = ledger.message(account, filters.message_id) if is_message_id(filters.message_id) else None
        known = [stored] if stored is not None else []
    else:
        known = ledger.messages_of_number(account, number, MAX_OF_NUMBER)
    found = [attempt for each in known if (attempt := _attempt(each, filters, number)) is not None]
    end = token + size
    return found[token:end], end if len(found) > end else None


def _page_of_all(
    ledger: LedgerReader, account: int, filters: Filters, size: int, before: int
) -> tuple[list[Attempt], int | None]:
    found: list[Attempt] = []
    for _ in range(_PARTS):
        part = ledger.recorded(account, (filters.start, filters.end), before, _MOST)
        for place, message in part.messages:
            attempt = _attempt(message, filters)
            if attempt is not None:
                if len(found) == size:
                    return found, before
                found.append(attempt)
            before = place
        if part.before is None:
            return found, None
        before = part.before
    return found, before


def _sums(ledger: LedgerReader, account: int, filters: Filters, now: int) -> tuple[int, int]:
    """Return how many messages were requested and verified, from the rollups."""
    values = {"country": filters.countries, "channel": filters.channels, "sender": filters.senders}
    query = RateQuery(
        filters.start, filters.end, filters={name: each for name, each in values.items() if each}
    )
    with ledger.snapshot():
        rows = compute_rates_at(ledger, account, query, None, now, times=False).rows
    return sum(row.requested for row in rows), sum(row.verified for row in rows)


def _sums_of_prefix(ledger: LedgerReader, account: int, filters: Filters) -> tuple[int, int]:
    """Return the same of the numbers with a prefix, which no rollup has: from the messages one by one."""
    requested = verified = 0
    before: int | None = 0
    while before is not None:  # the ledger ends it when the time of a question is over
        part = ledger.recorded(account, (filters.start, filters.end), before, _MOST)
        for _, message in part.messages:
            attempt = _attempt(message, filters)
            if attempt is not None:
                requested += 1
                verified += attempt.verified
        before = part.before
    return requested, verified


def _attempt(message: Message, filters: Filters | None = None, number: str = "") -> Attempt | None:
    """Return a message as an attempt; None if it was not reported as requested, or does not match."""
    state = message.state
    requested = state.requested
    if requested is None or (filters is not None and not _matches(message, requested, filters, number)):
        return None
    at = requested.requested_at
    return Attempt(
        message.message_id,
        at,
        max(at, message.verified_at or 0, state.false_last or 0),
        message.verified,
        requested.dimensions.country,
        requested.dimensions.carrier,
        requested.dimensions.channel,
        requested.dimensions.sender,
        requested.number_range,
    )


def _matches(message: Message, requested: Requested, filters: Filters, number: str) -> bool:
    dimensions = requested.dimensions
    return (
        filters.start <= requested.requested_at < filters.end
        and (not filters.countries or dimensions.country in filters.countries)
        and (not filters.channels or dimensions.channel in filters.channels)
        and (not filters.senders or dimensions.sender in filters.senders)
        and (filters.verified is None or message.verified == filters.verified)
        and (not number or requested.number == number)
        and requested.number_range.startswith(filters.prefix)
    )

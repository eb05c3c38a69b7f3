"""Twilio's REST API as a `Dialect`."""

from collections.abc import Sequence

from otpconv.dialects.dialect import HashNumber, HttpRequest, HttpResponse, Outcome
from otpconv.dialects.twilio import answers, calls
from otpconv.dialects.twilio.calls import CREATE_FEEDBACK, PREFIXES, Call
from otpconv.errors import InvalidRequest, NotFound, Refused
from otpconv.model import MESSAGE_ID_RULE, Conversion, Report, Timing, is_message_id


class TwilioDialect:
    """The protocol of `Dialect`, implemented by the functions of `calls` and `answers`."""

    def claims(self, request: HttpRequest) -> bool:
        """Return whether the path is one of Twilio's Messaging or Verify."""
        return request.path.startswith(PREFIXES)

    def preflight(self) -> HttpResponse:
        """Return the response to OPTIONS."""
        return answers.preflight()

    def read(self, request: HttpRequest) -> Call:
        """Return the call; raises what `calls.read` raises."""
        return calls.read(request)

    def reports(
        self, call: Call, account: int, now: int, number_hash: HashNumber, region: str
    ) -> Sequence[Report | Refused]:
        """Return the conversion in a call; none if it says nothing about whether the code was typed back."""
        if call.permission == CREATE_FEEDBACK:
            return _of_feedback(call, account, now)
        return (_of_verification(call, account, now, number_hash, region),)

    def success(self, call: Call, request_id: str, outcomes: Sequence[Outcome], now: int) -> HttpResponse:  # noqa: ARG002
        """Return the response to a call whose conversion is durable; a repeat gets the same."""
        if call.permission == CREATE_FEEDBACK:
            return answers.feedback(call, now)
        return answers.verification(call, now)

    def failure(
        self,
        error: Exception,
        request_id: str,  # noqa: ARG002 - Twilio's errors have no id
        *,
        request: HttpRequest,  # noqa: ARG002
        call: Call | None,  # noqa: ARG002
        public_url: str,
    ) -> HttpResponse:
        """Return the response to a request that was refused or failed."""
        return answers.failure(error, public_url)


def _of_feedback(call: Call, account: int, now: int) -> Sequence[Report]:
    """Return the conversion of a confirmed message.

    `unconfirmed` is where each message begins and says that the outcome is unknown, so nothing is recorded.
    """
    outcome = call.parameters.get("Outcome", "unconfirmed")
    if outcome not in {"confirmed", "unconfirmed"}:
        raise InvalidRequest(f"Invalid Outcome {outcome[:40]!r}. Use confirmed or unconfirmed.")
    _check(call.id)
    if outcome == "unconfirmed":
        return ()
    return (
        Conversion(account, delivered=True, conversion_time=now, message_id=call.id, timing=Timing.ARRIVAL),
    )


def _of_verification(call: Call, account: int, now: int, number_hash: HashNumber, region: str) -> Report:
    """Return the conversion of a verification, which is known by its id or by its number."""
    # Clients that only sign also import this package, and don't have phonenumbers installed.
    from otpconv.phone import parse  # noqa: PLC0415

    status = call.parameters.get("Status", "")
    if status not in {"approved", "canceled"}:
        raise InvalidRequest(f"Invalid Status {status[:40]!r}. Use approved or canceled.")
    delivered = status == "approved"
    if call.id.startswith("+"):
        number = number_hash(account, parse(call.id, region).e164)
        return Conversion(account, delivered, now, number=number)
    _check(call.id)
    return Conversion(account, delivered, now, call.id, timing=Timing.ARRIVAL)


def _check(message_id: str) -> None:
    if not is_message_id(message_id):
        raise NotFound(f"There is no such message: a message id is {MESSAGE_ID_RULE}.")

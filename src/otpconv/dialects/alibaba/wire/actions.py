"""Turns the parameters of a call into a report. `operations` describes the operations and their parameters.

A blank parameter is the same as an absent one, as the documentation of ConversionTime says. Unknown
parameters are ignored.
"""

import re
from collections.abc import Callable

from otpconv.clock import iso_8601
from otpconv.dialects.alibaba.wire.call import Call
from otpconv.dialects.alibaba.wire.operations import (
    CONVERSION_RATE,
    CONVERSION_TIME,
    DELIVERED,
    MESSAGE_ID,
    OPERATIONS,
    REPORT_TIME,
    Parameter,
)
from otpconv.dialects.alibaba.wire.refusal import GatewayError, invalid, missing
from otpconv.dialects.dialect import HashNumber
from otpconv.errors import InvalidNumber, InvalidTime
from otpconv.model import CLOCK_SKEW_MS, Conversion, SelfReportedRate, Timing, is_message_id

_Parameters = dict[str, str]
_Reading = Callable[[_Parameters, int, int, HashNumber, str], Conversion | SelfReportedRate]

_TIME = re.compile(CONVERSION_TIME.pattern)
_RATE = re.compile(CONVERSION_RATE.pattern)

# As Python writes them, and as everybody else does. Other capitals take the slow path.
_BOOLEANS = {"True": True, "true": True, "False": False, "false": False}


def read_report(
    call: Call, account: int, now: int, number_hash: HashNumber, region: str = ""
) -> Conversion | SelfReportedRate:
    """Return the report of a call.

    Args:
        call: a call whose signature was verified.
        account: the account of the caller.
        now: the current time, ms UTC.
        number_hash: hashes an account and a number (E.164).
        region: the ISO 3166 country whose national numbers are read; empty for none.

    Raises:
        GatewayError: a parameter is missing or malformed.
        InvalidTime: a time is more than 60 s in the future.
        InvalidNumber: `To` is not a telephone number.
    """
    return _ACTIONS[call.version, call.action](call.parameters, account, now, number_hash, region)


def check_action(action: str, version: str) -> None:
    """Check that `version` has the operation `action`.

    Raises:
        GatewayError: one of the two is missing or unknown.
    """
    if (version, action) in _ACTIONS or (version, action) in _OTHERS:
        return
    if not action:
        raise missing("Action")
    if not version:
        raise missing("Version")
    if version not in _VERSIONS:
        raise GatewayError("InvalidVersion", "It must be 2018-05-01, 2017-05-25 or 2015-04-01.")
    raise GatewayError("InvalidAction.NotFound")


def _conversion(
    parameters: _Parameters, account: int, now: int, number_hash: HashNumber, region: str
) -> Conversion:
    delivered = _delivered(parameters)
    message_id = _message_id(parameters)
    to = parameters.get("To", "")
    if not message_id and not to:
        raise missing("MessageId", "Send MessageId, or To.")
    conversion_time = _time(parameters, CONVERSION_TIME, now)
    number = number_hash(account, _e164(to, region, known=bool(message_id))) if to else ""
    timing = _timing(parameters) if message_id else Timing.GIVEN
    return Conversion(account, delivered, conversion_time, message_id, number, timing)


def _conversion_intl(parameters: _Parameters, account: int, now: int, *_: object) -> Conversion:
    delivered = _delivered(parameters)
    message_id = _message_id(parameters)
    if not message_id:
        raise missing("MessageId")
    conversion_time = _time(parameters, CONVERSION_TIME, now)
    return Conversion(account, delivered, conversion_time, message_id, timing=_timing(parameters))


def _rate(parameters: _Parameters, account: int, now: int, *_: object) -> SelfReportedRate:
    text = parameters.get("ConversionRate", "")
    if not text:
        raise missing("ConversionRate")
    if not _RATE.fullmatch(text) or float(text) > 1:
        raise _wrong(CONVERSION_RATE)
    return SelfReportedRate(account, _time(parameters, REPORT_TIME, now), float(text))


def _delivered(parameters: _Parameters) -> bool:
    text = parameters.get("Delivered", "")
    value = _BOOLEANS.get(text)
    if value is None:
        if not text:
            raise missing("Delivered")
        value = _BOOLEANS.get(text.lower())
        if value is None:
            raise _wrong(DELIVERED)
    return value


def _message_id(parameters: _Parameters) -> str:
    text = parameters.get("MessageId", "")
    if text and not is_message_id(text):
        raise _wrong(MESSAGE_ID)
    return text


def _timing(parameters: _Parameters) -> Timing:
    return Timing.GIVEN if parameters.get(CONVERSION_TIME.name, "") else Timing.ARRIVAL


def _time(parameters: _Parameters, parameter: Parameter, now: int) -> int:
    name = parameter.name
    text = parameters.get(name, "")
    if not text:
        return now
    if not _TIME.fullmatch(text):
        raise _wrong(parameter)
    time = int(text)
    if time > now + CLOCK_SKEW_MS:
        raise InvalidTime(
            f"{name} {time} is in the future; the server's time is {now} (milliseconds UTC), {iso_8601(now)}."
        )
    return time


def _wrong(parameter: Parameter) -> GatewayError:
    return invalid(parameter.name, f"It must be {parameter.must_be}.")


def _e164(to: str, region: str, *, known: bool) -> str:
    # Clients that only sign also import this package, and don't have phonenumbers installed.
    from otpconv.phone import parse  # noqa: PLC0415

    try:
        return parse(to, region).e164
    except InvalidNumber:
        # The documentation wants the country code without a +, so a number of a new range looks like this.
        # If there is a MessageId, a wrong guess at the country can't match another message.
        if not (known and to.isascii() and to.isdigit()):
            raise
        return parse(f"+{to}").e164


_ACTIONS: dict[tuple[str, str], _Reading] = {
    ("2018-05-01", "SmsConversion"): _conversion,
    ("2018-05-01", "ConversionData"): _rate,
    ("2017-05-25", "SmsConversionIntl"): _conversion_intl,
    ("2017-05-25", "ConversionDataIntl"): _rate,
}

#: The operation that returns temporary credentials instead of recording a report. See `sts`.
ASSUME_ROLE = ("2015-04-01", "AssumeRole")

#: The operations that are passed on to the vendor: they send messages, or ask what became of one.
PASSED_ON = (
    ("2018-05-01", "SendMessageToGlobe"),
    ("2018-05-01", "SendMessageWithTemplate"),
    ("2018-05-01", "BatchSendMessageToGlobe"),
    ("2018-05-01", "QueryMessage"),
    ("2017-05-25", "SendSms"),
)
_OTHERS = {ASSUME_ROLE, *PASSED_ON}

#: Every (version, action) that reports.
ACTIONS = tuple(_ACTIONS)
_VERSIONS = {operation.version for operation in OPERATIONS}

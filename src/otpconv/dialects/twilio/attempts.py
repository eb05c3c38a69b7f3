"""Verify Attempts: the filters of a question, and the resources of its answer. Pure.

An attempt is a message. Its sid is `VL` and the message id in base64url: no table has to map the two, and the
sid stays the same after a restore. Whoever may list attempts may see the message ids anyway.
"""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct

from otpconv.clock import iso_8601
from otpconv.dialects.dialect import HttpResponse
from otpconv.dialects.twilio.answers import answer
from otpconv.dialects.twilio.calls import Call
from otpconv.errors import InvalidRequest, NotFound
from otpconv.model import is_message_id

#: Attempts of a page at most, and without PageSize: some 30 KiB, as dialects send their answers at once.
MAX_PAGE: Final = 50
#: The window of a question that gives no DateCreatedAfter, days before its end.
WINDOW_DAYS: Final = 30

_PATH: Final = "/v2/Attempts"
_DAY_MS: Final = 24 * 60 * 60 * 1000
_FILTERS: Final = (
    *("DateCreatedAfter", "DateCreatedBefore", "ChannelData.To", "Country", "Channel", "VerifyServiceSid"),
    *("VerificationSid", "Status", "DestinationPrefix"),
)
#: Twilio's names of channels, and the values of our dimension that they stand for.
CHANNELS: Final[dict[str, tuple[str, ...]]] = {
    "sms": ("sms",),
    "call": ("voice", "call"),
    "email": ("email",),
    "whatsapp": ("whatsapp",),
    "rbm": ("rcs", "rbm"),
}
_OUR_CHANNELS: Final = {ours: name for name, values in CHANNELS.items() for ours in values}
_SERVICE: Final = re.compile(r"VA[0-9a-f]{32}")
_VERIFICATION: Final = re.compile(r"VE[0-9a-f]{32}")
_COUNTRY: Final = re.compile("[A-Za-z]{2}")
_PREFIX: Final = re.compile(r"\+?[1-9][0-9]{0,9}")


class Filters(Struct, frozen=True):
    """Which messages a question is about.

    Attributes:
        start, end: the window, ms UTC; messages requested at `start` or later, and before `end`.
        to: the number, as the caller wrote it; empty for all.
        countries, channels, senders: the accepted values of the dimensions; empty for all.
        message_id: the one message; empty for all.
        verified: whether the messages are verified; None for all.
        prefix: how the number begins, with its `+`; empty for all.
    """

    start: int
    end: int
    to: str = ""
    countries: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    message_id: str = ""
    verified: bool | None = None
    prefix: str = ""


class Attempt(Struct, frozen=True):
    """A message as an attempt; all times in ms UTC, and an empty text means unknown."""

    message_id: str
    requested_at: int
    updated_at: int
    verified: bool
    country: str = ""
    carrier: str = ""
    channel: str = ""
    sender: str = ""
    number_range: str = ""


def sid_of(message_id: str) -> str:
    """Return the sid of the attempt that a message is."""
    return "VL" + base64.urlsafe_b64encode(message_id.encode()).decode().rstrip("=")


def message_of(sid: str) -> str:
    """Return the id of the message that an attempt is.

    Raises:
        NotFound: the text is not the sid of an attempt.
    """
    encoded = sid.removeprefix("VL")
    try:
        message_id = base64.b64decode(encoded + "=" * (-len(encoded) % 4), b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        message_id = ""
    # Other texts that decode to the same id are not its sid.
    if not is_message_id(message_id) or sid_of(message_id) != sid:
        raise NotFound("There is no such attempt. List the attempts for their sids.")
    return message_id


def filters_of(call: Call, now: int) -> Filters:
    """Return the filters of a question; `now` is the time, ms UTC.

    Raises:
        InvalidRequest: a filter is malformed, or the window is empty.
    """
    get = call.parameters.get
    end = _time("DateCreatedBefore", get("DateCreatedBefore", ""), now)
    start = _time("DateCreatedAfter", get("DateCreatedAfter", ""), end - WINDOW_DAYS * _DAY_MS)
    if start >= end:
        raise InvalidRequest("DateCreatedAfter must be before DateCreatedBefore, and before now.")
    status, channel = get("Status", ""), get("Channel", "").lower()
    if status not in {"", "converted", "unconverted"}:
        raise InvalidRequest(f"Invalid Status {status[:40]!r}. Use converted or unconverted.")
    if channel and channel not in CHANNELS:
        raise InvalidRequest(f"Invalid Channel {channel[:40]!r}. Use {', '.join(CHANNELS)}.")
    country = get("Country", "")
    if country and not _COUNTRY.fullmatch(country):
        raise InvalidRequest(f"Invalid Country {country[:40]!r}. Use two letters of ISO 3166, e.g. DE.")
    prefix = get("DestinationPrefix", "").strip()
    if prefix and not _PREFIX.fullmatch(prefix):
        raise InvalidRequest(
            f"Invalid DestinationPrefix {prefix[:40]!r}. Use 1 to 10 digits with the country code: +4915."
        )
    service = get("VerifyServiceSid", "")
    return Filters(
        start,
        end,
        to=get("ChannelData.To", "").strip(),
        countries=(country.upper(),) if country else (),
        channels=CHANNELS.get(channel, ()),
        senders=(service,) if service else (),
        message_id=get("VerificationSid", ""),
        verified=None if not status else status == "converted",
        prefix=f"+{prefix.removeprefix('+')}" if prefix else "",
    )


def page_size(call: Call) -> int:
    """Return how many attempts a page has at most.

    Raises:
        InvalidRequest: PageSize is not a number from 1 on.
    """
    text = call.parameters.get("PageSize", str(MAX_PAGE))
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise InvalidRequest(f"Invalid PageSize {text[:40]!r}. Use a number from 1 to {MAX_PAGE}.")
    return min(int(text), MAX_PAGE)


def page_token(call: Call) -> int:
    """Return where a page begins; 0 for the first.

    Raises:
        InvalidRequest: PageToken is not one of ours.
    """
    text = call.parameters.get("PageToken", "0")
    if not re.fullmatch("[0-9]{1,18}", text):
        raise InvalidRequest("Invalid PageToken. Go on with the next_page_url of a page.")
    return int(text)


def page(call: Call, attempts: list[Attempt], base: str, size: int, after: int | None) -> HttpResponse:
    """Return the response with a page of attempts.

    Args:
        call: the question.
        attempts: those of the page.
        base: the URL of this server as the client reached it, without a slash at the end.
        size: how many attempts a page has at most.
        after: where the next page begins; None if this is the last one.
    """
    filters = {name: value for name, value in call.parameters.items() if name in _FILTERS}
    number = _number_of_page(call)

    def url(page: int, token: int) -> str:
        place = {"PageSize": size, "Page": page} | ({"PageToken": token} if token else {})
        return f"{base}{_PATH}?{urlencode(filters | place)}"

    return answer(
        200,
        {
            "attempts": [_resource(attempt, call, base) for attempt in attempts],
            "meta": {
                "page": number,
                "page_size": size,
                "first_page_url": url(0, 0),
                "previous_page_url": None,
                "url": url(number, page_token(call)),
                "next_page_url": None if after is None else url(number + 1, after),
                "key": "attempts",
            },
        },
    )


def one(call: Call, attempt: Attempt, base: str) -> HttpResponse:
    """Return the response with one attempt; see `page`."""
    return answer(200, _resource(attempt, call, base))


def summary(call: Call, requested: int, verified: int, base: str) -> HttpResponse:
    """Return the response with the numbers of a window.

    The percentage has at most two decimals. It is null without attempts: no share of nothing is right.
    """
    query = urlencode({name: value for name, value in call.parameters.items() if name in _FILTERS})
    return answer(
        200,
        {
            "total_attempts": requested,
            "total_converted": verified,
            "total_unconverted": requested - verified,
            "conversion_rate_percentage": round(100 * verified / requested, 2) if requested else None,
            "url": f"{base}{_PATH}/Summary" + (f"?{query}" if query else ""),
        },
    )


def _resource(attempt: Attempt, call: Call, base: str) -> dict[str, object]:
    sid = sid_of(attempt.message_id)
    return {
        "sid": sid,
        "account_sid": call.access_key_id,
        "service_sid": attempt.sender if _SERVICE.fullmatch(attempt.sender) else None,
        "verification_sid": attempt.message_id if _VERIFICATION.fullmatch(attempt.message_id) else None,
        "date_created": iso_8601(attempt.requested_at),
        "date_updated": iso_8601(attempt.updated_at),
        "conversion_status": "converted" if attempt.verified else "unconverted",
        "channel": _OUR_CHANNELS.get(attempt.channel, attempt.channel),
        "price": None,
        "channel_data": {
            "message_id": attempt.message_id,
            "country": attempt.country or None,
            "carrier": attempt.carrier or None,
            "number_range": attempt.number_range or None,
        },
        "url": f"{base}{_PATH}/{sid}",
    }


def _number_of_page(call: Call) -> int:
    text = call.parameters.get("Page", "0")
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else 0


def _time(name: str, text: str, otherwise: int) -> int:
    if not text:
        return otherwise
    try:
        moment = datetime.fromisoformat(text)
        at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0, round(at.timestamp() * 1000))
    except (ValueError, OverflowError):
        raise InvalidRequest(
            f"Invalid {name} {text[:40]!r}. Use a time in UTC such as 2026-11-01T00:00:00Z."
        ) from None

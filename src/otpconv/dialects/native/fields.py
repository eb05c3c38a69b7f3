"""The fields of a report as JSON: their bounds, and readable errors about them.

The native API, the messages of brokers and the reporter have the same fields.
"""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from otpconv.model import MESSAGE_ID_PATTERN, MESSAGE_ID_RULE, OTHER
from otpconv.money import CURRENCY_PATTERN, CURRENCY_RULE, PRICE_PATTERN, PRICE_RULE

# The last part keeps Python's `$` from allowing a line feed at the end.
_END = r"$(?!\n)"
_MESSAGE_ID = f"^{MESSAGE_ID_PATTERN}{_END}"
_TEXT = rf"^[^\x00-\x1f\x7f]*{_END}"
_VALUE = rf"^(?!{re.escape(OTHER)}$)[^\x00-\x1f\x7f]*{_END}"
_COUNTRY = f"^[A-Za-z]{{2}}{_END}"
_PRICE, _CURRENCY = f"^{PRICE_PATTERN}{_END}", f"^{CURRENCY_PATTERN}{_END}"
#: What msgspec says that a text must match -> the same in words.
_WORDS = {
    f"`str` matching regex {pattern!r}": words
    for pattern, words in (
        (_MESSAGE_ID, MESSAGE_ID_RULE),
        (_TEXT, "text without control characters"),
        (_VALUE, f"text without control characters, and not {OTHER}, which stands for many values"),
        (_COUNTRY, "two letters, as in ISO 3166"),
        (_PRICE, PRICE_RULE),
        (_CURRENCY, CURRENCY_RULE),
    )
}
#: The latest time that a report can have, ms UTC: the end of the year 9998. The future is refused later.
LATEST_MS = 253_370_764_800_000
#: Characters of a text at most. The name of a template or a provider is a name, not a text.
MAX_TEXT_CHARS = 128
#: The highest number of an attempt to send a code.
MAX_ATTEMPT = 1000

MessageId = Annotated[
    str,
    Meta(
        pattern=_MESSAGE_ID,
        description=f"Unique within the account: {MESSAGE_ID_RULE}",
        examples=["1008030300"],
    ),
]
VendorMessageId = Annotated[
    str,
    Meta(
        pattern=_MESSAGE_ID,
        description=f"The vendor's id of the message, if it is not message_id: {MESSAGE_ID_RULE}",
        examples=["SM8f1d4c2e"],
    ),
]
# Without a bound: a message whose `to` is not a number counts, without its number.
Number = Annotated[
    str,
    Meta(
        description="The recipient's number, E.164; gives country, carrier and range; kept as a hash",
        examples=["+4915112345678"],
    ),
]
Time = Annotated[
    int, Meta(ge=0, le=LATEST_MS, description="Milliseconds since 1970, UTC", examples=[1767225600000])
]
Text = Annotated[str, Meta(max_length=MAX_TEXT_CHARS, pattern=_TEXT)]
#: A value of a dimension.
Value = Annotated[str, Meta(max_length=MAX_TEXT_CHARS, pattern=_VALUE)]
Channel = Annotated[str, Meta(max_length=32, pattern=_VALUE)]
Country = Annotated[str, Meta(pattern=_COUNTRY, description="ISO 3166 alpha-2")]
Price = Annotated[str, Meta(pattern=_PRICE, description=f"Of the message: {PRICE_RULE}", examples=["0.0075"])]
Currency = Annotated[str, Meta(pattern=_CURRENCY, description="Of the price, ISO 4217", examples=["EUR"])]
Attempt = Annotated[int, Meta(ge=1, le=MAX_ATTEMPT, description="1 = first send, 2 = first resend")]


def in_words(error: msgspec.MsgspecError | UnicodeDecodeError) -> str:
    """Return the text of a decoding error, on one line and without regular expressions."""
    text = " ".join(str(error).split())
    for expression, words in _WORDS.items():
        text = text.replace(expression, words)
    return text

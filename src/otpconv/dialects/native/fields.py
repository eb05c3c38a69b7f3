"""The fields of a report as JSON: their bounds, and errors about them in words.

The native API and the messages of brokers have the same fields.
"""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from otpconv.model import MESSAGE_ID_PATTERN, MESSAGE_ID_RULE, OTHER

# The last part keeps Python's `$` from allowing a line feed at the end.
_END = r"$(?!\n)"
_MESSAGE_ID = f"^{MESSAGE_ID_PATTERN}{_END}"
_TEXT = rf"^[^\x00-\x1f\x7f]*{_END}"
_VALUE = rf"^(?!{re.escape(OTHER)}$)[^\x00-\x1f\x7f]*{_END}"
_COUNTRY = f"^[A-Za-z]{{2}}{_END}"
#: What msgspec says a text must match, and the same in words.
_WORDS = {
    f"`str` matching regex {pattern!r}": words
    for pattern, words in (
        (_MESSAGE_ID, MESSAGE_ID_RULE),
        (_TEXT, "text without control characters"),
        (_VALUE, f"text without control characters, and not {OTHER}, which stands for many values"),
        (_COUNTRY, "two letters, as in ISO 3166"),
    )
}
#: The latest time in a report, ms: the end of the year 9998. Future times are refused later.
_LATEST_MS = 253_370_764_800_000

MessageId = Annotated[
    str,
    Meta(
        pattern=_MESSAGE_ID,
        description=f"Unique within the account: {MESSAGE_ID_RULE}",
        examples=["1008030300"],
    ),
]
# Without a bound of its own: what is no number costs a message its number, not its place in the rates.
Number = Annotated[
    str,
    Meta(
        description="The recipient's number, E.164; gives country, carrier and range; kept as a hash",
        examples=["+4915112345678"],
    ),
]
Time = Annotated[
    int, Meta(ge=0, le=_LATEST_MS, description="Milliseconds since 1970, UTC", examples=[1767225600000])
]
Text = Annotated[str, Meta(max_length=128, pattern=_TEXT)]
#: A value of a dimension.
Value = Annotated[str, Meta(max_length=128, pattern=_VALUE)]
Channel = Annotated[str, Meta(max_length=32, pattern=_VALUE)]
Country = Annotated[str, Meta(pattern=_COUNTRY, description="ISO 3166 alpha-2")]
Attempt = Annotated[int, Meta(ge=1, le=1000, description="1 = first send, 2 = first resend")]


def in_words(error: msgspec.MsgspecError | UnicodeDecodeError) -> str:
    """Return what an error of decoding says, on one line and without regular expressions."""
    text = " ".join(str(error).split())
    for expression, words in _WORDS.items():
        text = text.replace(expression, words)
    return text

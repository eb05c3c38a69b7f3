"""Twilio's Messaging and Verify for the explorer, the diagnosis and the pages of errors."""

from typing import Final

from msgspec import structs

from otpconv import errors
from otpconv.dialects.tutor import logins, refusals
from otpconv.dialects.tutor.operation import Operation, Parameter
from otpconv.dialects.tutor.refusals import Refusal
from otpconv.dialects.tutor.vendor import Vendor
from otpconv.dialects.twilio import calls
from otpconv.dialects.twilio.attempts import CHANNELS, WINDOW_DAYS
from otpconv.dialects.twilio.dialect import TwilioDialect

_WAYS: Final = (logins.basic(),)
_FEEDBACK: Final = Operation(
    "CreateMessageFeedback",
    calls.CREATE_FEEDBACK,
    "Report that the user typed the code of a message back.",
    "POST",
    "/2010-04-01/Accounts/{AccessKeyId}/Messages/{MessageSid}/Feedback.json",
    (
        Parameter(
            "MessageSid",
            "The message, as Twilio returned it.",
            "SM0123456789abcdef0123456789abcdef",
            "path",
            mandatory=True,
        ),
        Parameter(
            "Outcome",
            "confirmed: the user typed the code back. unconfirmed, the default, records nothing.",
            "confirmed",
            "form",
            mandatory=True,
            choices=("confirmed", "unconfirmed"),
        ),
    ),
    _WAYS,
)
_VERIFICATION: Final = Operation(
    "UpdateVerification",
    calls.UPDATE_VERIFICATION,
    "Report whether the user typed a code of your own back.",
    "POST",
    "/v2/Services/{ServiceSid}/Verifications/{Sid}",
    (
        Parameter(
            "ServiceSid",
            "Your Verify service; otpconv ignores it.",
            "VA0123456789abcdef0123456789abcdef",
            "path",
            mandatory=True,
        ),
        Parameter(
            "Sid",
            "The verification that is the message, or the number it went to.",
            "VE0123456789abcdef0123456789abcdef",
            "path",
            mandatory=True,
        ),
        Parameter(
            "Status",
            "approved: the user typed the code back. canceled: the user did not.",
            "approved",
            "form",
            mandatory=True,
            choices=("approved", "canceled"),
        ),
    ),
    _WAYS,
)
_FILTERS: Final = (
    Parameter("Country", "Two letters of ISO 3166.", "DE", "query"),
    Parameter(
        "DateCreatedAfter",
        f"Messages requested then or later. Default: {WINDOW_DAYS} days before the end.",
        "2025-11-01T00:00:00Z",
        "query",
    ),
    Parameter(
        "DateCreatedBefore", "Messages requested before. Default: now.", "2025-11-02T00:00:00Z", "query"
    ),
    Parameter("Channel", "The channel of the messages.", "sms", "query", choices=tuple(CHANNELS)),
    Parameter("DestinationPrefix", "How the numbers begin, with the country code.", "+4915", "query"),
    Parameter(
        "VerifyServiceSid", "Messages with this sender.", "VA0123456789abcdef0123456789abcdef", "query"
    ),
)
_LIST: Final = Operation(
    "ListVerificationAttempts",
    calls.LIST_ATTEMPTS,
    "List messages, the last recorded first, and whether their codes were typed back.",
    "GET",
    "/v2/Attempts",
    (
        *_FILTERS,
        Parameter(
            "Status",
            "Whether the code was typed back.",
            "unconverted",
            "query",
            choices=("converted", "unconverted"),
        ),
        Parameter(
            "VerificationSid", "The message with this id.", "VE0123456789abcdef0123456789abcdef", "query"
        ),
        Parameter(
            "ChannelData.To",
            "The 200 newest messages to this number; needs `otpconv:FindMessages` too.",
            "+4915112345678",
            "query",
        ),
        Parameter("PageSize", "Attempts in a page.", "20", "query", kind="integer"),
    ),
    _WAYS,
)
_FETCH: Final = Operation(
    "FetchVerificationAttempt",
    calls.FETCH_ATTEMPT,
    "Get one message, and whether its code was typed back.",
    "GET",
    "/v2/Attempts/{Sid}",
    (Parameter("Sid", "The attempt, as the list has it.", "VLMTAwODAzMDMwMA", "path", mandatory=True),),
    _WAYS,
)
_SUMMARY: Final = Operation(
    "FetchVerificationAttemptsSummary",
    calls.FETCH_SUMMARY,
    "Count messages, and those whose codes were typed back.",
    "GET",
    "/v2/Attempts/Summary",
    (structs.replace(_FILTERS[0], mandatory=False), *_FILTERS[1:]),
    _WAYS,
)

TWILIO: Final = Vendor(
    "twilio",
    "Twilio Messaging and Verify",
    TwilioDialect(),
    (_FEEDBACK, _VERIFICATION, _LIST, _FETCH, _SUMMARY),
    (
        *refusals.EVERYWHERE,
        refusals.WRONG_LOGIN,
        refusals.BAD_NUMBER,
        Refusal(
            errors.NotFound("There is no such message or attempt."),
            "Compare the id with the one that the list of attempts has.",
            "There is no message or attempt with this id.",
        ),
        Refusal(
            errors.AnswerTooLarge("The window has too many messages."),
            "Ask for a shorter window, or with more filters.",
        ),
    ),
    sdks={"python": "Python", "node": "Node.js"},
)

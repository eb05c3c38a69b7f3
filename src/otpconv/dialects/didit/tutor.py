"""Didit's Messages API for the explorer, the diagnosis and the pages of errors."""

from typing import Final

from otpconv.dialects.didit.dialect import PERMISSION, DiditDialect, FeedbackExists
from otpconv.dialects.tutor import logins, refusals
from otpconv.dialects.tutor.operation import Operation, Parameter
from otpconv.dialects.tutor.refusals import Refusal
from otpconv.dialects.tutor.vendor import Vendor

DIDIT: Final = Vendor(
    "didit",
    "Didit Messages",
    DiditDialect(),
    (
        Operation(
            "SendMessageFeedback",
            PERMISSION,
            "Report whether the user typed the code of a message back.",
            "POST",
            "/v3/messages/{message_id}/feedback/",
            (
                Parameter(
                    "message_id",
                    "The message, as its sending was answered.",
                    "3f6c9a52-8d1e-4b7a-9c20-5e1f7a3b8d44",
                    "path",
                    mandatory=True,
                ),
                Parameter(
                    "outcome",
                    "converted: the user typed the code back. not_converted: the user did not.",
                    "converted",
                    "json",
                    mandatory=True,
                    choices=("converted", "not_converted"),
                ),
                Parameter(
                    "occurred_at",
                    "When, in ISO 8601 with a time zone. Default: now.",
                    "2025-11-21T10:04:00Z",
                    "json",
                ),
            ),
            (logins.token("API key", header="x-api-key"),),
        ),
    ),
    (
        *refusals.EVERYWHERE,
        refusals.WRONG_LOGIN,
        Refusal(
            FeedbackExists("Feedback about this message was recorded before."),
            "Treat it as success: the same feedback is recorded already.",
        ),
    ),
)

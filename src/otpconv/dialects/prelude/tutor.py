"""Prelude's Watch API for the explorer, the diagnosis and the pages of errors."""

from typing import Any, Final

from otpconv.dialects.prelude import feedbacks
from otpconv.dialects.prelude.dialect import PATH, PERMISSION, PreludeDialect
from otpconv.dialects.tutor import logins, refusals
from otpconv.dialects.tutor.operation import Operation, Parameter
from otpconv.dialects.tutor.refusals import Refusal
from otpconv.dialects.tutor.vendor import Vendor


def _shape(values: dict[str, Any]) -> object:
    feedback = {
        "type": values.get("type"),
        "target": {"type": "phone_number", "value": values.get("target.value", "")},
    }
    if "metadata.correlation_id" in values:
        feedback["metadata"] = {"correlation_id": values["metadata.correlation_id"]}
    return {"feedbacks": [feedback]}


PRELUDE: Final = Vendor(
    "prelude",
    "Prelude Watch",
    PreludeDialect(),
    (
        Operation(
            "SendFeedbacks",
            PERMISSION,
            "Report that a message was requested, or that the user typed its code back.",
            "POST",
            PATH,
            (
                Parameter(
                    "type",
                    "started: a message was requested. completed: the user typed its code back.",
                    "verification.started",
                    "json",
                    mandatory=True,
                    choices=("verification.started", "verification.completed"),
                ),
                Parameter(
                    "target.value",
                    "The number the message went to.",
                    "+4915112345670",
                    "json",
                    mandatory=True,
                ),
                Parameter(
                    "metadata.correlation_id",
                    "The id of the message. Default: the newest message to the number.",
                    "login-4711",
                    "json",
                ),
            ),
            (logins.token("Bearer", scheme="Bearer"),),
            shape=_shape,
        ),
    ),
    (
        *refusals.EVERYWHERE,
        refusals.WRONG_LOGIN,
        refusals.BAD_NUMBER,
        refusals.OTHER_NUMBER,
        Refusal(feedbacks.EmptyBatch("The batch is empty."), "Send at least one feedback."),
        Refusal(
            feedbacks.LargeBatch("The batch has too many feedbacks."), "Send at most 100 feedbacks in a call."
        ),
        Refusal(
            feedbacks.InvalidCorrelationId("The correlation id is too long."),
            f"Send 1 to {feedbacks.MAX_CORRELATION_ID_CHARS} printable ASCII characters without spaces.",
        ),
    ),
    sdks={"python": "Python", "node": "Node.js"},
)

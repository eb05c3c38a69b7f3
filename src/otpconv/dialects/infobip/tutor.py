"""Infobip's conversion tracking for the explorer, the diagnosis and the pages of errors."""

from typing import Final

from otpconv.dialects.infobip.dialect import PERMISSION, InfobipDialect
from otpconv.dialects.tutor import logins, refusals
from otpconv.dialects.tutor.operation import Operation, Parameter
from otpconv.dialects.tutor.vendor import Vendor

INFOBIP: Final = Vendor(
    "infobip",
    "Infobip conversion tracking",
    InfobipDialect(),
    (
        Operation(
            "LogEndTag",
            PERMISSION,
            "Report that the user typed the code of a message back.",
            "POST",
            "/ct/1/log/end/{messageId}",
            (
                Parameter(
                    "messageId",
                    "The message, as its sending was answered.",
                    "2034072219640523072",
                    "path",
                    mandatory=True,
                ),
            ),
            (logins.token("App", scheme="App"), logins.basic()),
        ),
    ),
    (*refusals.EVERYWHERE, refusals.WRONG_LOGIN),
)

"""The managed policies, which every installation has and nobody can change."""

import json
from typing import Final

from otpconv.access.policies.cautions import READ_DYSMS
from otpconv.access.policies.document import Document, parse_document


def _allow(*actions: str) -> str:
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    return json.dumps({"Version": "1", "Statement": [statement]})


#: The managed policies as JSON, by name: the vendor's, and otpconv's own for reporting only and reading only.
DOCUMENTS: Final[dict[str, str]] = {
    "AdministratorAccess": _allow("*"),
    "AliyunDysmsFullAccess": _allow("dysms:*"),
    "AliyunDysmsReadOnlyAccess": _allow(*READ_DYSMS),
    "OtpconvReportOnly": _allow(
        "dysms:SmsConversion",
        "dysms:ConversionData",
        "dysms:SmsConversionIntl",
        "dysms:ConversionDataIntl",
        "pinpoint-sms-voice-v2:PutMessageFeedback",
        "tencent:ReportConversion",
        "volcengine:Conversion",
        "otpconv:RecordMessages",
        "otpconv:RecordConversions",
        "didit:SendMessageFeedback",
        "infobip:LogEndTag",
        "prelude:SendFeedbacks",
        "sinch:SendDeliveryFeedback",
        "telesign:Completion",
        "twilio:CreateMessageFeedback",
        "twilio:UpdateVerification",
        "vonage:SmsConversion",
        "vonage:VoiceConversion",
    ),
    # Not dysms:QueryMessage: its answer has the text of a message, with the code.
    "OtpconvReadOnly": _allow(
        "otpconv:Get*", "otpconv:List*", "otpconv:Query*", "twilio:Fetch*", "twilio:List*"
    ),
}

#: The parsed policies.
MANAGED: Final[dict[str, Document]] = {name: parse_document(text) for name, text in DOCUMENTS.items()}

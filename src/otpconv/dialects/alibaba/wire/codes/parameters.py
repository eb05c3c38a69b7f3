"""The codes about parameters that are missing or malformed. Data only."""

from otpconv.dialects.alibaba.wire.error_code import ErrorCode
from otpconv.dialects.alibaba.wire.operations import OPERATIONS

#: The parameters of every request, and what each must be.
_COMMON = {
    "Action": "the name of an operation, such as SmsConversion",
    "Version": "2018-05-01, 2017-05-25, or 2015-04-01 for AssumeRole",
    "AccessKeyId": "the public half of an access key",
    "Signature": "the signature of the request",
    "SignatureMethod": "HMAC-SHA1 or HMAC-SHA256",
    "SignatureVersion": "1.0",
    "SignatureNonce": "1 to 256 printable ASCII characters, new for every request",
    "Timestamp": "a UTC time such as 2024-04-19T12:46:24Z",
}
#: The parameters of AssumeRole, and the documented sentences about them.
_STS_PARAMETERS = {
    "RoleArn": "The parameter RoleArn is wrongly formed.",
    "RoleSessionName": "The parameter RoleSessionName is wrongly formed.",
    "DurationSeconds": "The parameter DurationSeconds is not valid.",
    "PolicyGrammar": "The parameter Policy has not passed grammar check.",
}
_OF_OPERATIONS = [parameter for operation in OPERATIONS for parameter in operation.parameters]
_CAN_BE_MISSING = _COMMON | {
    parameter.name: parameter.must_be
    for operation in OPERATIONS
    for parameter in operation.parameters
    if parameter.mandatory
}
_HAVE_OTHER_CODES = {
    "Action",
    "AccessKeyId",
    "Signature",
    "SignatureMethod",
    "Timestamp",
    "To",
    "Policy",
    *_STS_PARAMETERS,
}
_CAN_BE_INVALID = {
    name: must_be
    for name, must_be in (
        *_COMMON.items(),
        *(
            (parameter.name, parameter.must_be)
            for operation in OPERATIONS
            for parameter in operation.parameters
        ),
    )
    if name not in _HAVE_OTHER_CODES
}

_COMMON_CODES = [
    ErrorCode(
        "InvalidParameter",
        400,
        "The request has a parameter that is not valid.",
        "A parameter is not UTF-8, holds control characters, comes twice, or is far too long.",
        "The message names the mistake; correct it and send the request again.",
    ),
    ErrorCode(
        "InvalidParameter.Format",
        400,
        "Specified parameter format is not valid.",
        "Format is neither JSON nor XML, or it asks for a message to be sent and for an answer in XML.",
        "Send Format=JSON, or Format=XML; with an operation that sends messages, Format=JSON.",
    ),
    ErrorCode(
        "UnsupportedParameter",
        400,
        "The parameter is not supported.",
        "The request asks for a way of signing in that otpconv does not have, such as a bearer token.",
        "Sign with an AccessKeyId and its AccessKeySecret.",
    ),
]

_STS = [
    ErrorCode(
        f"InvalidParameter.{name}",
        400,
        text,
        "The parameter of AssumeRole is malformed, or beyond what the role allows.",
        "The message says what it must be; correct it and send the request again.",
    )
    for name, text in _STS_PARAMETERS.items()
]

_MISSING = [
    ErrorCode(
        f"Missing{name}",
        400,
        f"{name} is mandatory for this action.",
        f"The request has no {name}, or a blank one, or has it where it is not read: in a body of another "
        "type, under a name in other letters, or with V1 in a header. Then the message says so.",
        f"Send {name}: {must_be}. V1 (SignatureVersion=1.0) reads parameters from the query and from a body "
        "of application/x-www-form-urlencoded. V3 reads a signed body of application/json too, and takes "
        "Action and Version from the headers x-acs-action and x-acs-version. Other bodies, such as "
        "multipart/form-data or one without a Content-Type, are not read.",
    )
    for name, must_be in _CAN_BE_MISSING.items()
]

_INVALID = [
    ErrorCode(
        f"Invalid{name}",
        400,
        f"Specified parameter {name} is not valid.",
        f"{name} must be {must_be}.",
        f"Correct {name} and send the request again.",
    )
    for name, must_be in _CAN_BE_INVALID.items()
]

PARAMETERS = [*_COMMON_CODES, *_STS, *_MISSING, *_INVALID]

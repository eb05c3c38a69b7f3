"""Every code this dialect answers with: what it means, why it comes, what to do. Data only.

Gateway codes come with their own HTTP status. Product codes come with HTTP 200, in `ResponseCode`
(version 2018-05-01) or, with the prefix `isv.` or `isp.`, in `Code` (version 2017-05-25).

Source of names, statuses and sentences: "Common error codes" of the OpenAPI gateway and "Error codes" of
Short Message Service, Alibaba Cloud documentation. Codes marked "of otpconv" have no documented counterpart.
"""

from otpconv.dialects.alibaba.wire.caller_codes import CALLER, STS, STS_PARAMETERS
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
_CAN_BE_MISSING = _COMMON | {
    each.name: each.must_be for operation in OPERATIONS for each in operation.parameters if each.mandatory
}
_HAVE_OTHER_CODES = {
    "Action",
    "AccessKeyId",
    "Signature",
    "SignatureMethod",
    "Timestamp",
    "To",
    "Policy",
    *STS_PARAMETERS,
}
_CAN_BE_INVALID = {
    name: must_be
    for name, must_be in (
        *_COMMON.items(),
        *((each.name, each.must_be) for operation in OPERATIONS for each in operation.parameters),
    )
    if name not in _HAVE_OTHER_CODES
}

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

_REQUEST = [
    ErrorCode(
        "InvalidAction.NotFound",
        404,
        "Specified api is not found, please check your url and method.",
        "This version has no operation of this name here.",
        "SmsConversion and ConversionData belong to 2018-05-01, their …Intl sisters to 2017-05-25.",
    ),
    ErrorCode(
        "InvalidParameter",
        400,
        "The request has a parameter that is not valid.",
        "A parameter is not UTF-8, holds control characters, comes twice, or is far too long.",
        "The message names what was wrong; correct it and send the request again.",
    ),
    ErrorCode(
        "InvalidParameter.Format",
        400,
        "Specified parameter format is not valid.",
        "Format is neither JSON nor XML.",
        "Send Format=JSON, or Format=XML.",
    ),
    ErrorCode(
        "UnsupportedParameter",
        400,
        "The parameter is not supported.",
        "The request asks for a way of signing in that otpconv does not have, such as a bearer token.",
        "Sign with an AccessKeyId and its AccessKeySecret.",
    ),
    ErrorCode(
        "UnsupportedHTTPMethod",
        400,
        "This http method is not supported.",
        "Operations are called with GET or POST.",
        "Use POST, as the SDKs do.",
    ),
    ErrorCode(
        "BodyTooLarge",
        413,
        "The request body is too large.",
        "The body is over the limit and was not read. A code of otpconv.",
        "Send the parameters of one operation only; for many reports at once use POST /v1/conversions.",
    ),
    ErrorCode(
        "BodyTooSlow",
        408,
        "The request body came too slowly.",
        "The rest of the body did not come in time. A code of otpconv.",
        "Send the request again; look at the network and the proxies on the way if it stays.",
    ),
    ErrorCode(
        "UnsupportedMediaType",
        415,
        "The request body is of a kind that is not supported.",
        "The body is compressed, or of a type nobody reads here. A code of otpconv.",
        "Send application/x-www-form-urlencoded or application/json, not compressed.",
    ),
    ErrorCode(
        "InternalError",
        500,
        "The request processing has failed due to some unknown error, exception or failure.",
        "A fault of the server.",
        "Send the request again; if it stays, look for its RequestId in the server's log.",
    ),
    ErrorCode(
        "ServiceUnavailable",
        503,
        "The request has failed due to a temporary failure of the server.",
        "The server could not make the report durable; nothing was recorded.",
        "Send the same report again later: repeating a report changes nothing.",
    ),
]

#: The codes of HTTP 200, without prefix, as version 2018-05-01 has them.
_PRODUCT = [
    ErrorCode(
        "INVALID_PARAMETERS",
        200,
        "The parameters are invalid.",
        "ConversionTime is in the future or not after the sending of its message; "
        "or, in strict mode, the message is not known.",
        "The description names the parameter and the times; correct it and report again.",
    ),
    ErrorCode(
        "MOBILE_NUMBER_ILLEGAL",
        200,
        "The mobile number is illegal.",
        "To is no number in international form, or not the number the message was sent to.",
        "Send To as country code and number, such as 85251234567.",
    ),
]

_PRODUCT_2017 = [
    ErrorCode(f"isv.{each.code}", each.status, each.text, each.cause, each.remedy) for each in _PRODUCT
] + [
    ErrorCode(
        "isp.RAM_PERMISSION_DENY",
        200,
        "You are not authorized to do this action.",
        "No policy of the user allows the action, or one denies it.",
        "Give the user a policy that allows it, such as dysms:SmsConversionIntl.",
    ),
]

#: Every code by its name.
CODES = {
    each.code: each for each in (*_REQUEST, *CALLER, *STS, *_MISSING, *_INVALID, *_PRODUCT, *_PRODUCT_2017)
}

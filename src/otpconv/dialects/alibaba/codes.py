"""Every code this dialect answers with: what it means, why it comes, what to do. Data only.

Gateway codes come with their own HTTP status. Product codes come with HTTP 200, in `ResponseCode`
(version 2018-05-01) or, with the prefix `isv.` or `isp.`, in `Code` (version 2017-05-25).

Source of names, statuses and sentences: "Common error codes" of the OpenAPI gateway and "Error codes" of
Short Message Service, Alibaba Cloud documentation. Codes marked "of otpconv" have no documented counterpart.
"""

from msgspec import Struct


class ErrorCode(Struct, frozen=True):
    """One code.

    Attributes:
        code: as it is on the wire.
        status: the HTTP status it is sent with.
        text: the documented sentence, sent as the beginning of the message.
        cause: why a caller sees it, for people.
        remedy: what to do about it, for people.
    """

    code: str
    status: int
    text: str
    cause: str
    remedy: str


#: The parameters that can be missing or invalid, and what each must be.
PARAMETERS = {
    "Action": "the name of an operation, such as SmsConversion",
    "Version": "2018-05-01 or 2017-05-25",
    "AccessKeyId": "the public half of an access key",
    "Signature": "the signature of the request",
    "SignatureMethod": "HMAC-SHA1 or HMAC-SHA256",
    "SignatureVersion": "1.0",
    "SignatureNonce": "1 to 256 printable ASCII characters, new for every request",
    "Timestamp": "a UTC time such as 2024-04-19T12:46:24Z",
    "Delivered": "true or false",
    "MessageId": "1 to 64 letters, digits and _ : / . -",
    "ConversionTime": "a time in milliseconds since 1970-01-01 UTC, a whole decimal number",
    "ConversionRate": "a decimal number from 0 to 1",
    "ReportTime": "a time in milliseconds since 1970-01-01 UTC, a whole decimal number",
}

_MISSING = [
    ErrorCode(
        f"Missing{name}",
        400,
        f"{name} is mandatory for this action.",
        f"The request has no {name}, or a blank one.",
        f"Send {name}: {must_be}.",
    )
    for name, must_be in PARAMETERS.items()
]

# The other parameters have codes of their own, below.
_INVALID = [
    ErrorCode(
        f"Invalid{name}",
        400,
        f"Specified parameter {name} is not valid.",
        f"{name} must be {must_be}.",
        f"Correct {name} and send the request again.",
    )
    for name, must_be in PARAMETERS.items()
    if name not in {"Action", "AccessKeyId", "Signature", "SignatureMethod", "Timestamp"}
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

_CALLER = [
    ErrorCode(
        "InvalidAccessKeyId.NotFound",
        404,
        "Specified access key is not found.",
        "No access key has this AccessKeyId.",
        "Compare it with `otpconv keys list`; keys of other servers and of Alibaba Cloud are unknown here.",
    ),
    ErrorCode(
        "InvalidAccessKeyId.Inactive",
        400,
        "Specified access key is disabled.",
        "Somebody disabled the access key.",
        "Create another with `otpconv keys create`.",
    ),
    ErrorCode(
        "SignatureDoesNotMatch",
        400,
        "Specified signature is not matched with our calculation.",
        "The secret is another, or the request was changed after it was signed.",
        "Check the AccessKeySecret; compare the string to sign in the message with your own; "
        "let proxies keep Host, User-Agent and Accept as they are.",
    ),
    ErrorCode(
        "IncompleteSignature",
        400,
        "The request signature does not conform to Aliyun standards.",
        "A header is missing, is not signed although it must be, or Authorization is not as documented.",
        "Sign host, content-type (with a body) and every x-acs-* header.",
    ),
    ErrorCode(
        "InvalidSignatureMethod",
        400,
        "Specified signature method is not valid.",
        "V1 takes HMAC-SHA1 and HMAC-SHA256; V3 takes ACS3-HMAC-SHA256 and, where the server has SM3, "
        "ACS3-HMAC-SM3. RSA is not taken.",
        "Use the SDK's default.",
    ),
    ErrorCode(
        "SignatureNonceUsed",
        400,
        "Specified signature nonce was used already.",
        "A request with the same nonce came before: a retry that was not signed anew, or a replay.",
        "Sign every attempt anew, with a fresh nonce.",
    ),
    ErrorCode(
        "InvalidTimeStamp.Format",
        400,
        "Specified time stamp or date value is not well formatted.",
        "Timestamp (V1) or x-acs-date (V3) is no UTC time like 2024-04-19T12:46:24Z.",
        "Format the time as UTC, with the Z.",
    ),
    ErrorCode(
        "InvalidTimeStamp.Expired",
        400,
        "Specified time stamp or date value is expired.",
        "The request was signed more than 15 minutes before or after the server's time.",
        "Set the clock by NTP; write the time in UTC, not local time.",
    ),
    ErrorCode(
        "ContentSha256NotMatched",
        400,
        "Specified content sha256 is not matched with your request body.",
        "x-acs-content-sha256 is not the hash of the body that arrived. A code of otpconv.",
        "Hash the exact bytes that are sent; look for a proxy that rewrites bodies.",
    ),
    ErrorCode(
        "InvalidSecurityToken.Malformed",
        400,
        "Specified SecurityToken is malformed.",
        "The request carries a SecurityToken; otpconv issues no temporary credentials.",
        "Use an access key made by `otpconv keys create`, without a token.",
    ),
    ErrorCode(
        "NoPermission",
        403,
        "You are not authorized to do this action.",
        "No policy of the user allows the action, or one denies it.",
        "Give the user a policy that allows the AuthAction named in AccessDeniedDetail.",
    ),
    ErrorCode(
        "Throttling.User",
        400,
        "Request was denied due to user flow control.",
        "The account sends more requests a second than its limit allows.",
        "Wait the milliseconds in x-acs-retry-after, then sign and send again.",
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
        "Send To as country code and number, such as 8521245567.",
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
CODES = {each.code: each for each in (*_REQUEST, *_CALLER, *_MISSING, *_INVALID, *_PRODUCT, *_PRODUCT_2017)}

"""The codes about a request as a whole, and about failures of the server. Data only."""

from otpconv.dialects.alibaba.wire.error_code import ErrorCode

REQUESTS = [
    ErrorCode(
        "InvalidAction.NotFound",
        404,
        "Specified api is not found, please check your url and method.",
        "This version has no operation of this name here, or no vendor account allows sending.",
        "SmsConversion and ConversionData belong to 2018-05-01, their …Intl sisters to 2017-05-25."
        " Messages are sent only by a vendor account with the setting send=on.",
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
        "The server could not make the report durable, or does not know whether it is; or it passed a"
        " message on, and the vendor's answer is missing.",
        "Send the same report again later: repeating a report changes nothing. A message may have been"
        " sent: ask the vendor, e.g. by QueryMessage, before you send it again.",
    ),
]

"""The codes of the product, which are sent with HTTP 200. Data only.

Version 2018-05-01 has them without a prefix, 2017-05-25 with the prefix `isv.` or `isp.`.
"""

from otpconv.dialects.alibaba.wire.error_code import ErrorCode

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
        "To is not a number in international form, or not the number the message was sent to.",
        "Send To as country code and number, such as 85251234567.",
    ),
]

_PRODUCT_2017 = [
    ErrorCode(f"isv.{error.code}", error.status, error.text, error.cause, error.remedy) for error in _PRODUCT
] + [
    ErrorCode(
        "isp.RAM_PERMISSION_DENY",
        200,
        "You are not authorized to do this action.",
        "No policy of the user allows the action, or one denies it.",
        "Give the user a policy that allows it, such as dysms:SmsConversionIntl.",
    ),
]

PRODUCT = [*_PRODUCT, *_PRODUCT_2017]

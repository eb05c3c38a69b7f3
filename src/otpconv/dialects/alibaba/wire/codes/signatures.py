"""The codes about signatures, their nonces and their times. Data only."""

from otpconv.dialects.alibaba.wire.error_code import ErrorCode

SIGNATURES = [
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
        "A request with the same nonce came before: a retry that was not signed again, or a replay. The "
        "message gives the server's time in UTC, and how old the request is.",
        "Sign every attempt again, with a new nonce.",
    ),
    ErrorCode(
        "InvalidTimeStamp.Format",
        400,
        "Specified time stamp or date value is not well formatted.",
        "Timestamp (V1) or x-acs-date (V3) is not a UTC time like 2024-04-19T12:46:24Z.",
        "Format the time as UTC, with the Z.",
    ),
    ErrorCode(
        "InvalidTimeStamp.Expired",
        400,
        "Specified time stamp or date value is expired.",
        "The request was signed more than 15 minutes before or after the server's time. The message gives "
        "the server's time in UTC, and how far the request is behind or ahead.",
        "Set the clock, e.g. by NTP; write the time in UTC, not local time.",
    ),
    ErrorCode(
        "ContentSha256NotMatched",
        400,
        "Specified content sha256 is not matched with your request body.",
        "x-acs-content-sha256 is not the hash of the body that arrived. A code of otpconv.",
        "Hash the exact bytes that are sent; look for a proxy that rewrites bodies.",
    ),
]

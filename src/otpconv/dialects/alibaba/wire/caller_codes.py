"""The codes about who calls: keys, signatures, temporary credentials, permission, limits. Data only."""

from otpconv.dialects.alibaba.wire.error_code import ErrorCode

CALLER = [
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
    ErrorCode(
        "MissingSecurityToken",
        400,
        "SecurityToken is mandatory for this action.",
        "The AccessKeyId is of temporary credentials, and their SecurityToken did not come.",
        "Send AccessKeyId, AccessKeySecret and SecurityToken of the same credentials.",
    ),
    ErrorCode(
        "InvalidSecurityToken.Malformed",
        400,
        "Specified SecurityToken is malformed.",
        "The token is not of this server or was damaged, or its role is there no more.",
        "Assume the role again, at this server; an access key of a user is sent without a token.",
    ),
    ErrorCode(
        "InvalidSecurityToken.MismatchWithAccessKey",
        400,
        "Specified SecurityToken mismatch with the AccessKey.",
        "The token was handed out with another AccessKeyId.",
        "Send AccessKeyId, AccessKeySecret and SecurityToken of the same credentials.",
    ),
    ErrorCode(
        "InvalidSecurityToken.Expired",
        400,
        "Specified SecurityToken is expired.",
        "The temporary credentials have expired. The message says when, and gives the server's time in UTC.",
        "Assume the role again; clients of the SDK's credentials package do so on their own.",
    ),
    ErrorCode(
        "EntityNotExist.Role",
        404,
        "The specified Role not exists.",
        "The account has no role of this name.",
        "Compare it with `otpconv roles list`.",
    ),
    ErrorCode(
        "NoPermission",
        403,
        "You are not authorized to do this action.",
        "No policy of the user allows the action, or one denies it.",
        "Give the user a policy that allows the AuthAction named in AccessDeniedDetail.",
    ),
    ErrorCode(
        "InvalidProtocol.NeedSsl",
        400,
        "Your request is denied as lack of ssl protect.",
        "The request came by plain HTTP, and this server takes HTTPS only.",
        "Let the SDK use the protocol https; behind a proxy, name the proxy in the setting trusted_proxies.",
    ),
    ErrorCode(
        "Throttling.User",
        400,
        "Request was denied due to user flow control.",
        "The account sends more requests than its limit allows, or too many log-ins of its address failed.",
        "Wait the milliseconds in x-acs-retry-after, then sign and send again.",
    ),
]

#: What AssumeRole takes, and what the codes for it say.
STS_PARAMETERS = {
    "RoleArn": "The parameter RoleArn is wrongly formed.",
    "RoleSessionName": "The parameter RoleSessionName is wrongly formed.",
    "DurationSeconds": "The parameter DurationSeconds is not valid.",
    "PolicyGrammar": "The parameter Policy has not passed grammar check.",
}

STS = [
    ErrorCode(
        f"InvalidParameter.{name}",
        400,
        text,
        "The parameter of AssumeRole is malformed, or beyond what the role allows.",
        "The message says what it must be; correct it and send the request again.",
    )
    for name, text in STS_PARAMETERS.items()
]

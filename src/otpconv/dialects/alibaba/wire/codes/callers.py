"""The codes about access keys, temporary credentials, permissions and limits. Data only."""

from otpconv.dialects.alibaba.wire.error_code import ErrorCode

CALLERS = [
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
        "The account sends more requests than its limit allows, or too many logins from its address failed.",
        "Wait the milliseconds in x-acs-retry-after, then sign and send again.",
    ),
]

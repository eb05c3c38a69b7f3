"""Every error that otpconv raises on purpose, grouped by what the caller should do next.

    OtpconvError
    ├── Refused                    change the request; nothing was recorded
    │   ├── InvalidRequest         400, malformed or out of range
    │   │   ├── InvalidNumber      not a phone number
    │   │   ├── InvalidTime        a conversion before its message, or in the future
    │   │   ├── NumberMismatch     the message went to another number
    │   │   ├── UnknownMessage     strict mode: the message was not reported as requested
    │   │   └── AnswerTooLarge     the answer would have too many rows or bytes
    │   ├── BadCredentials         401, the caller's identity is not proven
    │   │   ├── UnknownAccessKey   the access key does not exist
    │   │   ├── InactiveAccessKey  the key is disabled
    │   │   ├── SignatureMismatch  signed with another secret, or changed after signing
    │   │   ├── StaleTimestamp     signed too long ago, or with a wrong clock
    │   │   ├── ReplayedNonce      the nonce was used before
    │   │   ├── MalformedToken     a damaged or foreign security token, or its role is deleted
    │   │   ├── MismatchedToken    the security token belongs to another access key
    │   │   └── ExpiredToken       the security token has expired
    │   ├── AccessDenied           403, the caller is known, but lacks permission
    │   ├── NeedsTls               403, plain HTTP where the server requires HTTPS
    │   ├── ForeignForm            403, a form that does not belong to this sign-in
    │   ├── Throttled              429, over a limit; retry later
    │   ├── NotFound               404
    │   ├── MethodNotAllowed       405
    │   ├── BodyTooSlow            408
    │   ├── BodyTooLarge           413
    │   └── UnsupportedMediaType   415
    ├── Unavailable                503, retry later; nothing was recorded
    ├── UnknownOutcome             503, a vendor may have sent the message: a repeat may send it twice
    └── Misconfigured              the operator must fix a setting, a file or a command line

Each dialect maps these errors to its own codes. The native API sends `code` unchanged.
"""

from typing import ClassVar, Literal


class OtpconvError(Exception):
    """The base class. Catch it to catch every error that otpconv raises on purpose.

    Attributes:
        text: one line for people: the problem, and what to do about it.
    """

    code: ClassVar[str] = "InternalError"
    status: ClassVar[int] = 500

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Refused(OtpconvError):
    """The request must be changed before it is sent again."""

    code = "Refused"
    status = 400


class InvalidRequest(Refused):
    """A parameter, a body or a value in it is malformed or out of range."""

    code = "InvalidRequest"


class InvalidNumber(InvalidRequest):
    """A text is not a phone number in international form."""

    code = "InvalidNumber"


class InvalidTime(InvalidRequest):
    """A conversion time is not after its message was sent, or a time is in the future."""

    code = "InvalidTime"


class NumberMismatch(InvalidRequest):
    """A conversion names a message and a number, but the message went to another number."""

    code = "NumberMismatch"


class UnknownMessage(InvalidRequest):
    """In strict mode: a conversion is about a message that was never reported as requested."""

    code = "UnknownMessage"


class AnswerTooLarge(InvalidRequest):
    """The answer would have too many rows or bytes; the text says how to narrow the question."""

    code = "AnswerTooLarge"


class BadCredentials(Refused):
    """The caller has not proven its identity."""

    code = "BadCredentials"
    status = 401


class UnknownAccessKey(BadCredentials):
    """There is no access key with this AccessKeyId."""

    code = "UnknownAccessKey"


class InactiveAccessKey(BadCredentials):
    """The access key exists, but is disabled."""

    code = "InactiveAccessKey"


class SignatureMismatch(BadCredentials):
    """The signature differs from the one that the server calculates."""

    code = "SignatureMismatch"


class StaleTimestamp(BadCredentials):
    """The request was signed outside the accepted time window."""

    code = "StaleTimestamp"


class ReplayedNonce(BadCredentials):
    """The nonce of a signed request was used before."""

    code = "ReplayedNonce"


class MalformedToken(BadCredentials):
    """The security token is damaged or of another server, or its role was deleted."""

    code = "MalformedToken"


class MismatchedToken(BadCredentials):
    """The security token was issued with another AccessKeyId."""

    code = "MismatchedToken"


class ExpiredToken(BadCredentials):
    """The security token has expired."""

    code = "ExpiredToken"


class AccessDenied(Refused):
    """The caller is known, but has no permission for this action.

    Attributes:
        action: the denied action, e.g. `dysms:SmsConversion`.
        kind: `ExplicitDeny` if a statement denies it, `ImplicitDeny` if no statement allows it.
        policy_type: the kind of policies that decided, e.g. `AccountLevelIdentityBasedPolicy`.
        principal_type: the kind of caller: `SubUser` or `AssumedRoleUser`.
        display_name: the name of the user, or `role:session`.
        account: the number of the account that the user or the role belongs to.
    """

    code = "AccessDenied"
    status = 403

    def __init__(
        self,
        text: str,
        *,
        action: str,
        kind: Literal["ExplicitDeny", "ImplicitDeny"],
        policy_type: str,
        principal_type: str,
        display_name: str,
        account: int,
    ) -> None:
        super().__init__(text)
        self.action = action
        self.kind = kind
        self.policy_type = policy_type
        self.principal_type = principal_type
        self.display_name = display_name
        self.account = account


class NeedsTls(Refused):
    """The request came by plain HTTP, but the server accepts only HTTPS."""

    code = "NeedsTls"
    status = 403


class ForeignForm(Refused):
    """A form was sent by a page of another site, or belongs to a sign-in that has ended."""

    code = "ForeignForm"
    status = 403


class Throttled(Refused):
    """The caller is over a limit, or had too many failed logins.

    Attributes:
        wait_ms: how long to wait before sending the same request again, at least 1 ms.
        by_failures: whether too many logins from its address failed; then the caller is unknown.
    """

    code = "Throttled"
    status = 429

    def __init__(self, text: str, *, wait_ms: int, by_failures: bool = False) -> None:
        super().__init__(text)
        self.wait_ms = wait_ms
        self.by_failures = by_failures


class NotFound(Refused):
    """Nothing exists under this name."""

    code = "NotFound"
    status = 404


class MethodNotAllowed(Refused):
    """The path exists, but does not accept this HTTP method."""

    code = "MethodNotAllowed"
    status = 405


class BodyTooSlow(Refused):
    """The request body arrived too slowly, and the server stopped waiting for it."""

    code = "BodyTooSlow"
    status = 408


class BodyTooLarge(Refused):
    """The request body is over the size limit, and was not read."""

    code = "BodyTooLarge"
    status = 413


class UnsupportedMediaType(Refused):
    """The request body has a type or a compression that the server does not accept."""

    code = "UnsupportedMediaType"
    status = 415


class Unavailable(OtpconvError):
    """The server failed temporarily; nothing was recorded, and the same request may succeed later."""

    code = "Unavailable"
    status = 503


class UnknownOutcome(OtpconvError):
    """A message was passed on to its vendor, whose answer is missing: it may have been sent, or not."""

    code = "UnknownOutcome"
    status = 503


class Misconfigured(OtpconvError):
    """The operator must fix a setting, a file or a command line."""

    code = "Misconfigured"

"""Every error otpconv raises on purpose, in families by what the caller does next.

    OtpconvError
    ├── Refused                    change the request; nothing was recorded
    │   ├── InvalidRequest         400, malformed or out of range
    │   │   ├── InvalidNumber      not a telephone number
    │   │   ├── InvalidTime        a conversion before its message, or in the future
    │   │   ├── NumberMismatch     the number is not the message's
    │   │   ├── UnknownMessage     strict mode: no such message
    │   │   └── AnswerTooLarge     a question whose answer has too many rows or bytes
    │   ├── BadCredentials         401, who is calling is not proven
    │   │   ├── UnknownAccessKey   no such key
    │   │   ├── InactiveAccessKey  the key is disabled
    │   │   ├── SignatureMismatch  signed with another secret, or changed on the way
    │   │   ├── StaleTimestamp     signed too long ago, or with a wrong clock
    │   │   ├── ReplayedNonce      this very request was seen before
    │   │   ├── MalformedToken     a security token that is not ours, or whose role is gone
    │   │   ├── MismatchedToken    a security token of another access key
    │   │   └── ExpiredToken       a security token whose time is over
    │   ├── AccessDenied           403, known, but may not do this
    │   ├── NeedsTls               403, plain HTTP where only HTTPS is taken
    │   ├── ForeignForm            403, a form that was not on a page of this sign-in
    │   ├── Throttled              429, over a limit; the same again after a while
    │   ├── NotFound               404
    │   ├── MethodNotAllowed       405
    │   ├── BodyTooSlow            408
    │   ├── BodyTooLarge           413
    │   └── UnsupportedMediaType   415
    ├── Unavailable                503, try the same again later; nothing was recorded
    └── Misconfigured              the operator mends a setting, a file or a command line

A dialect maps these to its own codes at its border; the native API sends `code` as it stands here.
"""

from typing import ClassVar, Literal


class OtpconvError(Exception):
    """The root: catch it to catch everything otpconv raises on purpose.

    `text` is one line for a person: what is wrong and what to do about it.
    """

    code: ClassVar[str] = "InternalError"
    status: ClassVar[int] = 500

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Refused(OtpconvError):
    """The request must change before it is sent again."""

    code = "Refused"
    status = 400


class InvalidRequest(Refused):
    """A parameter, a body or a value in it is malformed or out of range."""

    code = "InvalidRequest"


class InvalidNumber(InvalidRequest):
    """A text that is no telephone number in international form."""

    code = "InvalidNumber"


class InvalidTime(InvalidRequest):
    """A conversion time that is not after its message was sent, or a time in the future."""

    code = "InvalidTime"


class NumberMismatch(InvalidRequest):
    """A conversion names a message and a number, and the message went to another number."""

    code = "NumberMismatch"


class UnknownMessage(InvalidRequest):
    """In strict mode: a conversion about a message that was never reported as requested."""

    code = "UnknownMessage"


class AnswerTooLarge(InvalidRequest):
    """A question whose answer would have too many rows or bytes; the text says how to narrow it."""

    code = "AnswerTooLarge"


class BadCredentials(Refused):
    """The caller has not proven who it is."""

    code = "BadCredentials"
    status = 401


class UnknownAccessKey(BadCredentials):
    """No access key has this AccessKeyId."""

    code = "UnknownAccessKey"


class InactiveAccessKey(BadCredentials):
    """The access key exists and is disabled."""

    code = "InactiveAccessKey"


class SignatureMismatch(BadCredentials):
    """The signature is not the one our own calculation gives."""

    code = "SignatureMismatch"


class StaleTimestamp(BadCredentials):
    """The request was signed outside the accepted window of time."""

    code = "StaleTimestamp"


class ReplayedNonce(BadCredentials):
    """The nonce of a signed request was used before."""

    code = "ReplayedNonce"


class MalformedToken(BadCredentials):
    """A security token that is not of this service, was damaged, or whose role is gone."""

    code = "MalformedToken"


class MismatchedToken(BadCredentials):
    """A security token that was handed out with another AccessKeyId."""

    code = "MismatchedToken"


class ExpiredToken(BadCredentials):
    """A security token whose time is over."""

    code = "ExpiredToken"


class AccessDenied(Refused):
    """The caller is known and may not do this.

    Attributes:
        action: what it wanted to do, as `dysms:SmsConversion`.
        kind: whether a statement denies it, or none allows it.
        policy_type: the kind of policies that decided, as `AccountLevelIdentityBasedPolicy`.
        principal_type: what the caller is: `SubUser` or `AssumedRoleUser`.
        display_name: the name of the user, or `role:session`.
        account: the number of the account the user or the role belongs to.
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
    """The request came by plain HTTP, and only HTTPS is taken."""

    code = "NeedsTls"
    status = 403


class ForeignForm(Refused):
    """A form that another site's page sent, or one of a sign-in that is over."""

    code = "ForeignForm"
    status = 403


class Throttled(Refused):
    """The caller is over a limit, or its log-ins failed too often.

    Attributes:
        wait_ms: how long to wait before the same request is sent again, at least 1.
        by_failures: whether log-ins of its address failed too often; it is not known who calls, then.
    """

    code = "Throttled"
    status = 429

    def __init__(self, text: str, *, wait_ms: int, by_failures: bool = False) -> None:
        super().__init__(text)
        self.wait_ms = wait_ms
        self.by_failures = by_failures


class NotFound(Refused):
    """There is nothing under this name."""

    code = "NotFound"
    status = 404


class MethodNotAllowed(Refused):
    """The path exists and does not take this HTTP method."""

    code = "MethodNotAllowed"
    status = 405


class BodyTooSlow(Refused):
    """The request body came too slowly, and was not waited for any longer."""

    code = "BodyTooSlow"
    status = 408


class BodyTooLarge(Refused):
    """The request body is over the limit, and was not read."""

    code = "BodyTooLarge"
    status = 413


class UnsupportedMediaType(Refused):
    """The request body is of a kind, or compressed in a way, that is not taken."""

    code = "UnsupportedMediaType"
    status = 415


class Unavailable(OtpconvError):
    """A temporary failure of the server; nothing was recorded, and the same request may succeed later."""

    code = "Unavailable"
    status = 503


class Misconfigured(OtpconvError):
    """A setting, a file or a command line that the operator has to mend."""

    code = "Misconfigured"

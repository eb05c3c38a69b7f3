"""Samples of the errors that a dialect can answer, with cause and remedy for people.

A dialect writes its own form of each, so the pages of its codes show real answers.
"""

from typing import Final

from msgspec import Struct

from otpconv import errors
from otpconv.dialects.dialect import UnknownOperation


class Refusal(Struct, frozen=True):
    """One error.

    Attributes:
        error: a sample.
        remedy: what to do.
        cause: why it is sent; empty for the summary of the error's class.
        path: the path of the request, where the answer depends on it.
    """

    error: Exception
    remedy: str
    cause: str = ""
    path: str = "/"

    @property
    def why(self) -> str:
        """Why it is sent, in a sentence."""
        return self.cause or str(type(self.error).__doc__).partition("\n")[0]


WAIT: Final = "Wait as long as `Retry-After` says, and send the same request again."

MALFORMED: Final = Refusal(
    errors.InvalidRequest("The value must have another form."),
    "Correct the value that the text names, and send the request again.",
)
TOO_EARLY: Final = Refusal(
    errors.InvalidTime("The code was typed back before its message was requested."),
    "Send a time in UTC that is later than the sending of the message and not in the future.",
)
UNKNOWN_MESSAGE: Final = Refusal(
    errors.UnknownMessage("No message has this id."),
    "Report the message as requested first, or ask the operator to turn off `strict`.",
)
NO_CREDENTIALS: Final = Refusal(
    errors.BadCredentials("The request has no credentials, or credentials of another form."),
    "Send the AccessKeyId and the AccessKeySecret in the form that the text names.",
)
WRONG_LOGIN: Final = Refusal(
    errors.BadCredentials("The AccessKeyId or the AccessKeySecret is wrong."),
    "Compare the AccessKeyId with the output of `otpconv keys list`, and the secret character by character.",
    "The AccessKeyId does not exist, or its AccessKeySecret is another one.",
)
UNKNOWN_KEY: Final = Refusal(
    errors.UnknownAccessKey("No access key has this AccessKeyId."),
    "Compare the AccessKeyId with the output of `otpconv keys list`; keys of the vendor are unknown here.",
)
DISABLED_KEY: Final = Refusal(
    errors.InactiveAccessKey("The access key is disabled."),
    "Enable the key with `otpconv keys enable`, or use another key.",
)
WRONG_SIGNATURE: Final = Refusal(
    errors.SignatureMismatch("This server signs another text."),
    "Check the AccessKeySecret, and make sure that nothing changes the request after it is signed. Paste the"
    " request into `/explorer/diagnosis` to see which step differs.",
)
STALE: Final = Refusal(
    errors.StaleTimestamp("The request is 17 min behind the server's time."),
    "Correct the clock, e.g. by NTP, and sign the request again.",
)
REPLAYED: Final = Refusal(
    errors.ReplayedNonce("The nonce was used before."), "Sign each attempt again, with a new nonce."
)
DENIED: Final = Refusal(
    errors.AccessDenied(
        "No policy of reports allows this action.",
        action="",
        kind="ImplicitDeny",
        policy_type="AccountLevelIdentityBasedPolicy",
        principal_type="SubUser",
        display_name="reports",
        account=1,
    ),
    "Attach a policy that allows the action named in the text, or use another access key. `otpconv access"
    " explain` names the statement that decides.",
)
NEEDS_TLS: Final = Refusal(errors.NeedsTls("This server accepts HTTPS only."), "Use an https:// URL.")
THROTTLED: Final = Refusal(errors.Throttled("The caller is over a rate limit.", wait_ms=250), WAIT)
NO_OPERATION: Final = Refusal(
    UnknownOperation("This call"),
    "Use one client for reports to this server, and another one for all other calls.",
    "The request is for another operation of the vendor, such as sending a message.",
)
WRONG_METHOD: Final = Refusal(
    errors.MethodNotAllowed("The operation does not accept this method."),
    "Use the HTTP method of the operation.",
)
SLOW: Final = Refusal(
    errors.BodyTooSlow("The body came too slowly."),
    "Send the request again. If it fails again, check the network and the proxies on the way.",
)
LARGE: Final = Refusal(
    errors.BodyTooLarge("The parameters have too many bytes."), "Send fewer reports in each call."
)
COMPRESSED: Final = Refusal(
    errors.UnsupportedMediaType("Compressed bodies are not taken."), "Send the body uncompressed."
)
UNAVAILABLE: Final = Refusal(
    errors.Unavailable("The storage fails."),
    "Send the same request again later. Repeating a report does no harm.",
)
INTERNAL: Final = Refusal(
    errors.OtpconvError("unexpected"),
    "Send the request again. If it fails again, read the server's log.",
    "The server failed.",
)
BAD_NUMBER: Final = Refusal(
    errors.InvalidNumber("This is not a telephone number."),
    "Write the number with a plus and its country code, e.g. +4915112345678.",
)
OTHER_NUMBER: Final = Refusal(
    errors.NumberMismatch("The message went to another number."),
    "Report the number that the message was sent to, or the message id only.",
)
_ASSUME: Final = "Assume the role again at this server, and send the three parts of the same credentials."
TOKENS: Final = (
    Refusal(errors.MalformedToken("The token is not of this server."), _ASSUME),
    Refusal(errors.MismatchedToken("The token belongs to another AccessKeyId."), _ASSUME),
    Refusal(errors.ExpiredToken("The token has expired."), _ASSUME),
)
#: What every dialect can answer.
EVERYWHERE: Final = (
    *(MALFORMED, TOO_EARLY, UNKNOWN_MESSAGE, NO_CREDENTIALS, DISABLED_KEY, DENIED, NEEDS_TLS, THROTTLED),
    *(NO_OPERATION, WRONG_METHOD, SLOW, LARGE, COMPRESSED, UNAVAILABLE, INTERNAL),
)
#: What a signed call can be answered besides.
SIGNED: Final = (UNKNOWN_KEY, WRONG_SIGNATURE)

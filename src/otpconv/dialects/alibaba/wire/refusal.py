"""The errors that this dialect raises: a code of the table, and the reason."""

from otpconv.dialects.alibaba.wire.codes import CODES
from otpconv.errors import BadCredentials, Refused, SignatureMismatch


class GatewayError(Refused):
    """The gateway refuses a request; nothing is recorded.

    Attributes:
        code: a key of `codes.CODES`.
        status: the HTTP status of the code.
        text: the documented sentence, then what exactly is wrong if there is more to say.
        xml: whether the request asks for a response in XML; None if that is not known.
    """

    # The base has one code per class. Here the table decides, so that eighty codes don't need eighty classes.
    code: str  # type: ignore[misc]
    status: int  # type: ignore[misc]

    def __init__(self, code: str, detail: str = "", *, text: str | None = None) -> None:
        entry = CODES[code]
        super().__init__(text if text is not None else f"{entry.text} {detail}".rstrip())
        self.code = code
        self.status = entry.status
        self.xml: bool | None = None

    @property
    def missing(self) -> str:
        """The name of the parameter that is missing; empty if the code does not say that one is."""
        return self.code.removeprefix("Missing") if self.code.startswith("Missing") else ""


class CredentialsError(GatewayError, BadCredentials):
    """A request does not prove who calls, e.g. since a header that must be signed is not."""


class SignatureDoesNotMatch(GatewayError, SignatureMismatch):
    """The signature is not the one that our own calculation gives."""

    def __init__(self, text: str) -> None:
        super().__init__("SignatureDoesNotMatch", text=text)


def missing(parameter: str, detail: str = "") -> GatewayError:
    """Return the error for a mandatory parameter that is missing."""
    kind = CredentialsError if parameter == "SecurityToken" else GatewayError
    return kind(f"Missing{parameter}", detail)


def invalid(parameter: str, detail: str) -> GatewayError:
    """Return the error for an invalid value; `detail` is a sentence that says what the value must be.

    The codes are a closed list: a name that the client invented gets the common code.
    """
    code = f"Invalid{parameter}"
    if code in CODES:
        return GatewayError(code, detail)
    return GatewayError("InvalidParameter", f"{parameter[:64]}: {detail}" if parameter else detail)

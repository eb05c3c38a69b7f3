"""The error a request of this dialect is refused with: one code of the table, and why."""

from otpconv.dialects.alibaba.wire.codes import CODES
from otpconv.errors import Refused


class GatewayError(Refused):
    """A request the gateway refuses, before anything is recorded.

    Attributes:
        code: one of `codes.CODES`.
        status: the HTTP status that belongs to the code.
        text: the documented sentence and, where there is more to say, what exactly was wrong.
        xml: whether the request asked for its answer in XML; None where that is not known.
    """

    # The base has one code a class; here the table decides, so that eighty codes need no eighty classes.
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
        """The name of the parameter that is missing, if the code says that one is; else empty."""
        return self.code.removeprefix("Missing") if self.code.startswith("Missing") else ""


def missing(parameter: str, detail: str = "") -> GatewayError:
    """Return the error for a mandatory parameter that is not there."""
    return GatewayError(f"Missing{parameter}", detail)


def invalid(parameter: str, detail: str) -> GatewayError:
    """Return the error for a value that cannot be; `detail` is a sentence saying what it must be.

    A name the client made up has no code of its own: codes are a closed list.
    """
    code = f"Invalid{parameter}"
    if code in CODES:
        return GatewayError(code, detail)
    return GatewayError("InvalidParameter", f"{parameter[:64]}: {detail}" if parameter else detail)

"""The errors of a vendor's API as data: which of its codes stands for an error of otpconv."""

from collections.abc import Mapping

from msgspec import Struct


class ErrorKind(Struct, frozen=True):
    """One error of a vendor's API.

    Attributes:
        code: its name on the wire.
        status: the HTTP status it is sent with.
        sentence: what the vendor says about it, which our text follows; empty if that is not known.
        number: its number on the wire; 0 if it has none.
    """

    code: str
    status: int = 200
    sentence: str = ""
    number: int = 0


class ErrorTable:
    """Finds the error of a vendor that stands for an error of otpconv.

    Args:
        kinds: by the class of our error; the nearest class in the tree of errors decides.
        internal: for all errors without one. Their texts are not for callers.
    """

    def __init__(self, kinds: Mapping[type[BaseException], ErrorKind], internal: ErrorKind) -> None:
        self._kinds = kinds
        self._internal = internal

    def find(self, error: Exception) -> tuple[ErrorKind, str]:
        """Return the vendor's error, and the text for the caller."""
        for kind in type(error).__mro__:
            if kind in self._kinds:
                found = self._kinds[kind]
                return found, f"{found.sentence} {getattr(error, 'text', '')}".strip()
        return self._internal, self._internal.sentence

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
        vendor: the name of the dialect's folder.
        kinds: by the class of our error; the nearest class in the tree of errors decides.
        internal: for all errors without one. Their texts are not for callers.
    """

    def __init__(
        self, vendor: str, kinds: Mapping[type[BaseException], ErrorKind], internal: ErrorKind
    ) -> None:
        self._vendor = vendor
        self._kinds = kinds
        self._internal = internal

    def find(self, error: Exception, public_url: str) -> tuple[ErrorKind, str]:
        """Return the vendor's error, and the text for the caller, which names the page about the error.

        Args:
            error: our error.
            public_url: the URL of this server's pages, without a slash at the end.
        """
        kind, text = self.bare(error)
        return kind, self.with_link(text, kind.code, public_url)

    def bare(self, error: Exception) -> tuple[ErrorKind, str]:
        """Return the vendor's error, and the text for the caller without an address."""
        for kind in type(error).__mro__:
            if kind in self._kinds:
                found = self._kinds[kind]
                return found, f"{found.sentence} {getattr(error, 'text', '')}".strip()
        return self._internal, self._internal.sentence

    def with_link(self, text: str, code: str, public_url: str) -> str:
        """Return a text that ends with the address of the page about a code."""
        return f"{text} See {public_url}/errors/{self._vendor}/{code}".strip()

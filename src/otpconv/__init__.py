"""otpconv: which of the one-time passwords we paid for were actually used?

`from otpconv import Reporter, AsyncReporter` is all that most applications need.
"""

from importlib import import_module

__version__ = "0.1.0"

__all__ = ["AsyncReporter", "Reporter"]

# What type checkers take as true, as they do `typing.TYPE_CHECKING`, without loading typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from otpconv.reporter import AsyncReporter, Reporter
else:

    def __getattr__(name: str) -> object:
        """Load the reporter when it is first asked for: the command line and the server do without."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module("otpconv.reporter"), name)

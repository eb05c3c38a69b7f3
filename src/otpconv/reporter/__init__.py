"""The client: takes a report in microseconds, spools it, and delivers it in the background."""

from importlib import import_module

from otpconv.delivery.credentials import Credentials
from otpconv.delivery.destination import MEMORY
from otpconv.reporter.reporter import Reporter
from otpconv.reporter.tally import Stats

__all__ = ["MEMORY", "AsyncReporter", "Credentials", "Reporter", "Stats"]

# Type checkers take this as true, like `typing.TYPE_CHECKING`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from otpconv.reporter.aio import AsyncReporter
else:

    def __getattr__(name: str) -> object:
        """Import `AsyncReporter` on first use: it loads asyncio, which a synchronous application lacks."""
        if name != "AsyncReporter":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return import_module("otpconv.reporter.aio").AsyncReporter

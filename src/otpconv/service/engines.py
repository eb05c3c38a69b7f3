"""The storage engines: the only module that knows which there are."""

from collections.abc import Callable
from typing import Final

from otpconv.config import Settings
from otpconv.storage.engine import Engine
from otpconv.storage.sqlite import SqliteEngine

#: URL scheme of a storage -> what makes its engine. A second engine gets an entry here, and a setting with
#: its URL, whose scheme `engine_of` looks up.
ENGINES: Final[dict[str, Callable[[Settings], Engine]]] = {
    "sqlite": lambda settings: SqliteEngine(settings.data),
}


def engine_of(settings: Settings) -> Engine:
    """Return the engine of a server's storage; nothing is opened yet."""
    return ENGINES["sqlite"](settings)

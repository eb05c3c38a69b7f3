"""What the detectors of this package remember, as bytes. Pure."""

from typing import TypeVar
from zlib import compress, decompress

import msgspec

_T = TypeVar("_T")
_encode = msgspec.msgpack.Encoder().encode


class Memory:
    """The parts of one detector that have changed since they were last asked for.

    Args:
        name: of the detector; the names of its parts begin with it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._last: dict[str, bytes] = {}

    def changed(self, **parts: object) -> dict[str, bytes]:
        """Return the parts that are not as they were at the last call."""
        found = {}
        for part, state in parts.items():
            encoded = compress(_encode(state), 1)
            if self._last.get(part) != encoded:
                self._last[part] = found[f"{self._name}.{part}"] = encoded
        return found


def decoded(part: bytes, kind: type[_T]) -> _T:
    """Return the state in a part; its type is that of the state."""
    return msgspec.msgpack.decode(decompress(part), type=kind)

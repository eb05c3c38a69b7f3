"""What the detectors of this package remember, as bytes. Pure."""

import zlib
from collections.abc import Callable, Mapping
from typing import TypeVar

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
        self._learned: object = None

    def changed(self, **parts: object) -> dict[str, bytes]:
        """Return the parts that are not as they were at the last call."""
        found = {}
        for part, state in parts.items():
            encoded = zlib.compress(_encode(state), 1)
            if self._last.get(part) != encoded:
                self._last[part] = found[f"{self._name}.{part}"] = encoded
        return found

    def learned(self, upto: object, make: Callable[[], object]) -> dict[str, bytes]:
        """Return the part `learned`, which is large, if `upto` is not as it was at the last call.

        Args:
            upto: how far it was learned.
            make: returns the state.
        """
        if self._learned == upto:
            return {}
        self._learned = upto
        return {f"{self._name}.learned": zlib.compress(_encode(make()), 1)}


def decoded(parts: Mapping[str, bytes], name: str, kind: type[_T]) -> _T | None:
    """Return the state in a part; None if it is missing, or another version of otpconv wrote it."""
    try:
        return msgspec.msgpack.decode(zlib.decompress(parts[name]), type=kind)
    except (KeyError, zlib.error, msgspec.DecodeError):
        return None

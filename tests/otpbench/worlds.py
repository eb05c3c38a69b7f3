"""Small worlds of OTP-Bench, which the tests share."""

from functools import cache
from typing import Final

from benchmarks.otpbench.scenes import Played, play
from benchmarks.otpbench.traffic import Size

_SMALL: Final = Size(countries=2, messages_a_day=5_000)


@cache
def played(scene: str, seed: int = 5) -> Played:
    """Return a small world in which a scene was played; the tests of a process share it."""
    return again(scene, seed)


def again(scene: str, seed: int = 5) -> Played:
    """Return the same world, played again."""
    return play(scene, seed, _SMALL)

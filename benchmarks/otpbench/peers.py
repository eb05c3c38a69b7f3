"""The peers' rules as they are compared, and the numbers that were tuned in their favour."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Final

from benchmarks.otpbench.rules import FixedRate, HalfFail, Rule, Sigmas, UnusedCodes

#: As published; numbers that no source gives are tuned.
PEERS: Final[Mapping[str, Rule]] = {
    "fixed 35 %": FixedRate(window=240, least=400),
    "50 % fail and at least 5": HalfFail(window=240),
    "50 % fail, tuned least": HalfFail(window=120, least=800),
    "three sigma": Sigmas(window=120, least=800, both=True),
    "unused codes, as published": UnusedCodes(),
    "unused codes, tuned": UnusedCodes(share=1.5, floor=600, hourly_floor=90, countries_only=False),
}
_WINDOWS: Final = (15, 30, 60, 120, 240)
_LEAST: Final = (5, 20, 50, 100, 200, 400, 800)


def variants(name: str) -> Sequence[Rule]:
    """Return what a peer's rule may be tuned to: what its source gives stays."""
    return [*_variants(name)]


def _variants(name: str) -> Iterator[Rule]:
    match name:
        case "fixed 35 %":
            yield from (FixedRate(window=window, least=least) for window, least in product(_WINDOWS, _LEAST))
        case "50 % fail and at least 5":
            yield from (HalfFail(window=window) for window in _WINDOWS)
        case "50 % fail, tuned least":
            yield from (HalfFail(window=window, least=least) for window, least in product(_WINDOWS, _LEAST))
        case "three sigma":
            yield from (
                Sigmas(window=window, least=least, both=both)
                for window, least, both in product(_WINDOWS, _LEAST, (False, True))
            )
        case "unused codes, tuned":
            yield from (
                UnusedCodes(share, 20 * floor, 3 * floor, countries_only)
                for share, floor, countries_only in product(
                    (0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0), (1, 3, 10, 30), (False, True)
                )
            )
        case _:
            yield PEERS[name]

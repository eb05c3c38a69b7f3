"""What a spool may hold."""

from typing import Literal, TypeVar, get_args

from msgspec import Struct

#: Size of a segment on the disk: about 2,500 reports, allocated in a tenth of a millisecond.
SEGMENT_BYTES = 256 * 1024
SMALLEST_BYTES = 4 * SEGMENT_BYTES
#: A segment is closed after an hour, or an eighth of the age that is allowed: so its name tells its age.
_OPEN_MS = 3_600_000
_AGES_A_LIFE = 8

Overflow = Literal["drop-oldest", "drop-newest", "block"]

_Text = TypeVar("_Text", bound=str)


class Limits(Struct, frozen=True):
    """What a spool may hold.

    Attributes:
        max_bytes: on the disk, or in memory in the memory-only mode.
        max_age_ms: reports older than this are given up.
        overflow: what gives way when it is full; `block` waits for room a while, then the new report does.
    """

    max_bytes: int
    max_age_ms: int
    overflow: Overflow

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            ValueError: one can't be meant.
        """
        one_of("overflow", self.overflow, *get_args(Overflow))
        if self.max_bytes < SMALLEST_BYTES:
            raise ValueError(f"max_bytes is at least {SMALLEST_BYTES:,}, not {self.max_bytes:,}")
        if self.max_age_ms < 1:
            raise ValueError(f"max_age_ms is positive, not {self.max_age_ms}")

    @property
    def open_ms(self) -> int:
        """How long a segment is appended to, ms."""
        return min(_OPEN_MS, self.max_age_ms // _AGES_A_LIFE)

    @property
    def life_ms(self) -> int:
        """How old a segment becomes, ms: then its newest report is as old as is allowed."""
        return self.open_ms + self.max_age_ms


def one_of(name: str, value: _Text, *allowed: _Text) -> _Text:
    """Return the value of an argument that takes one of a few.

    Raises:
        ValueError: it is none of them.
    """
    if value not in allowed:
        raise ValueError(f"{name} is one of {', '.join(allowed)}, not {value!r}")
    return value

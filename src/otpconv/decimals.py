"""Numbers in parameters of URLs: `0.05`, `1`, `2.5e-3`, and none of the words that `float` takes. Pure."""

import re
from contextlib import suppress
from typing import Final

#: Longer texts are not read.
MAX_CHARS: Final = 30
_DECIMAL: Final = re.compile(r"[0-9.]+(?:[eE][-+]?[0-9]+)?")


def parse_decimal(text: str, least: float, most: float) -> float | None:
    """Return a number from `least` to `most`; None if the text is not such a number."""
    # `float` also takes nan, inf and underscores.
    if len(text) <= MAX_CHARS and _DECIMAL.fullmatch(text):
        with suppress(ValueError):
            if least <= float(text) <= most:
                return float(text)
    return None

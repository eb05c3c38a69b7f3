"""Puts ticks that are computed here on the axes of Vega-Lite, which would choose its own."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec

from otpconv.charts.ticks import Tick


def labelled(ticks: Sequence[Tick]) -> dict[str, Any]:
    """Return the part of an axis that puts these ticks on it, and no others."""
    labels = {str(n): tick.label for n, tick in enumerate(ticks)}
    values = [tick.value for tick in ticks]
    # The label of the tick that is nearest: Vega turns times into dates and back.
    chosen = "0" + "".join(f" + (+datum.value >= {(low + high) / 2})" for low, high in pairwise(values))
    return {
        "values": values,
        "labelExpr": f"{_literal(labels)}['' + ({chosen})]",
        "labelOverlap": False,
        "labelFlush": False,
    }


def _literal(labels: dict[str, str]) -> str:
    return msgspec.json.encode(labels).decode()

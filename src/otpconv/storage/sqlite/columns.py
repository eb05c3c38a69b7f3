"""The columns that the statements list: the counts of a rollup, and a column for each bin of the delays."""

import re

from otpconv.model import DELAY_BINS
from otpconv.storage.contract import Tally

_LISTS = {"count": Tally.__struct_fields__, "bin": tuple(map(str, range(DELAY_BINS)))}


def write_out(text: str) -> str:
    """Write out the lists of columns in the text of statements.

    `{count: sum($count)}` becomes `sum(requested), sum(verified), …`, one item for each field of `Tally`.
    `{bin: sum(d$bin)}` becomes `sum(d0), sum(d1), …, sum(d34)`, one item for each bin of `model.delay_bin`.
    """
    return re.sub(r"\{(count|bin): ([^{}]+)\}", _items, text)


def _items(found: re.Match[str]) -> str:
    name, item = found.groups()
    return ", ".join(item.replace(f"${name}", column) for column in _LISTS[name])

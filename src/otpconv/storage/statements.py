"""Reads the named statements of a `.sql` file, and writes out the columns that they list."""

import re
from bisect import bisect_left
from importlib.resources import files

from otpconv.model import DELAY_BINS, delay_bin
from otpconv.receipts import MAX_SHARED, ReceiptStatus
from otpconv.storage.contract import DIMENSIONS, Tally

#: What an engine stores and returns.
SqlValue = str | bytes | int | float | None

#: Delays, ms, among which all bins begin.
_DELAYS = range(1, 1 << 27)
#: The shortest delay of each bin but the first, ms.
_EDGES = tuple(_DELAYS[bisect_left(_DELAYS, number, key=delay_bin)] for number in range(1, DELAY_BINS))
#: The columns of a message beside its key, except those that the database computes.
_STATE = (
    "id",
    "requested_at",
    "dimensions",
    "reported_values",
    "number",
    "number_range",
    "session_id",
    "attempt",
    "true_first",
    "true_last",
    "false_last",
    "true_arrival",
    "true_unknown",
    "false_unknown",
    "number_true",
    "number_reported",
    "session",
    "vendor_message_id",
    "receipt",
    "price",
    "currency",
)
_LISTS = {
    "count": Tally.__struct_fields__,
    "bin": tuple(map(str, range(DELAY_BINS))),
    "edge": tuple(map(str, _EDGES)),
    "dimension": DIMENSIONS,
    "status": tuple(status.name.lower() for status in ReceiptStatus),
    "shared": (str(MAX_SHARED),),
    "message": ("bucket", "account", "message_id", *_STATE),
    "state": _STATE,
}


def script(package: str, name: str) -> str:
    """Return the text of a `.sql` file of a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def statements(package: str, name: str) -> dict[str, str]:
    """Return the statements of a `.sql` file of a package by their names.

    A statement begins after a line `-- name: NAME` and ends before the next such line. `write_out` says how
    statements list columns.
    """
    parts = re.split(r"^-- name: (\w+)$", write_out(script(package, name)), flags=re.MULTILINE)
    return {parts[i]: parts[i + 1].strip() for i in range(1, len(parts), 2)}


def write_out(text: str) -> str:
    """Write out the lists of columns in the text of statements.

    `{count: sum($count)}` becomes `sum(requested), sum(verified), …`, one item for each field of `Tally`.
    `{bin: sum(d$bin)}` becomes `sum(d0), sum(d1), …, sum(d34)`, one item for each bin of `model.delay_bin`.
    `{edge: $edge}` becomes the shortest delays of all bins but the first, ms.
    `{dimension: d.$dimension}` becomes `d.country, d.carrier, …`, one item for each of `DIMENSIONS`.
    `{status: $status_at}` becomes `none_at, accepted_at, …`, one item for each `ReceiptStatus`.
    `{shared: $shared}` becomes `MAX_SHARED`.
    `{message: m.$message}` becomes `m.bucket, m.account, …`, one item for each column of a message that is
    not computed, and `{state: m.$state}` the same without the key.
    """
    return re.sub(r"\{(count|bin|edge|dimension|status|shared|message|state): ([^{}]+)\}", _items, text)


def _items(found: re.Match[str]) -> str:
    name, item = found.groups()
    return ", ".join(item.replace(f"${name}", column) for column in _LISTS[name])

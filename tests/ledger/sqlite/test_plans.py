"""Every statement, on a large site: none reads all of what grows with the messages, unless it is named here.

A statement is explained on empty files with made-up statistics, since those alone decide SQLite's plan.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import apsw
import pytest

from otpconv.access.sealing import Sealer
from otpconv.access.sqlite import SqliteKeyStore
from otpconv.ledger.sqlite import SqliteFollower, SqliteJournal
from otpconv.ledger.sqlite.connection import statements

#: What has more rows the more is reported. Everything else is bounded by one batch, or by the keys and routes there are.
GROWING = {
    "messages",
    "number_conversions",
    "unsettled_hours",
    "self_reported_rates",
    "rollups",
    "batches",
}
#: Columns that divide nothing: a busy site may have one account alone.
COARSE = {"account", "grain", "delivered"}

#: Statements that read all of a table, or all of an account, and why they may.
READ_ALL = {
    "ledger/any_number_conversion": "stops at the first row",
    "queries/all_messages": "an export, row by row",
    "queries/unmatched": "counts all of them",
    "journal/newest_nonces": "its reader stops at the first row that is too old",
    "health/integrity": "the doctor",
    "health/messages": "the doctor",
    "health/wrong_rollups": "the doctor",
    "health/unmatched": "the doctor",
}

#: What ANALYZE could have found in a table of a million rows: rows in all, then rows for each value of the first
#: column of an index, of the first two, and so on.
STATISTICS = {
    "none": None,
    "one account": lambda columns: [1_000_000, *[1_000_000] * (columns > 1), *[2] * (columns - 2), 1],
    "as if unique": lambda columns: [1_000_000, *[1] * columns],
    "as if all alike": lambda columns: [1_000_000, *[1_000_000] * columns],
    "a tenth with each column": lambda columns: [10 ** max(0, 6 - n) for n in range(columns + 1)],
}

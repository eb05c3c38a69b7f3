"""All cases, in the order in which they are run: those that change the ledger come last."""

from benchmarks.worst_cases.case import Attack, Case
from benchmarks.worst_cases.nobody import NOBODY
from benchmarks.worst_cases.reader import READER
from benchmarks.worst_cases.reporter import REPORTER
from benchmarks.worst_cases.visitor import VISITOR

__all__ = ["CASES", "Attack", "Case"]

CASES: list[Case] = [*NOBODY, *VISITOR, *READER, *REPORTER]

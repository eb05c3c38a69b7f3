"""Questions about rates, in the process that answers them: a day and 90 days, of ever more messages.

The cost has to follow the rollups, which grow to 200 rows an hour and no further, and not the messages.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.dataset import fill
from otpconv.clock import wall_clock
from otpconv.rates import compute_rates, parse_query
from otpconv.storage.contract import DAY_MS, LedgerReader
from otpconv.storage.sqlite import SqliteLedgerReader

_TIMES = 30
_DAYS = 90
QUESTIONS: list[list[tuple[str, str]]] = [
    [],
    [("by", "country")],
    [("by", "country,carrier,provider"), ("top", "10"), ("min_requested", "100")],
    [("by", "provider"), ("country", "DE"), ("level", "first_attempt")],
    [("by", "country"), ("compare", "week"), ("order", "change")],
    [("interval", "1d"), ("by", "provider")],
    [("interval", "1d"), ("tz", "Europe/Berlin")],
    [("interval", "1h")],
]


def run(folder: Path, messages: int, seconds: int) -> Iterator[dict[str, object]]:  # noqa: ARG001 - one form for all
    """Ask each question 30 times about a day and 90 days, of a tenth, three tenths and all of `messages`."""
    for count in (messages // 10, 3 * messages // 10, messages):
        data = folder / f"questions-{count}"
        data.mkdir()
        now = wall_clock()
        fill(data, count, now, days=_DAYS, verified=0.8)
        with closing(SqliteLedgerReader(data / "ledger.sqlite")) as ledger:
            for days in (1, _DAYS):
                window = [("start", str(now - days * DAY_MS)), ("end", str(now))]
                for question in QUESTIONS:
                    yield {"messages": count, "days": days, **measured(ledger, window, question, now)}
        shutil.rmtree(data)


def measured(
    ledger: LedgerReader, window: list[tuple[str, str]], question: list[tuple[str, str]], now: int
) -> dict[str, object]:
    """Ask a question several times, and return the rows of its answer and its times, ms."""
    took = []
    answered = 0
    for _ in range(_TIMES):
        started = time.perf_counter()
        answered = len(compute_rates(ledger, 1, parse_query(window + question, now), now).rows)
        took.append((time.perf_counter() - started) * 1000)
    took.sort()
    return {
        "benchmark": "rates, " + (" ".join(f"{name}={value}" for name, value in question) or "one row"),
        "rows": answered,
        "p50 ms": round(took[len(took) // 2], 1),
        "max ms": round(took[-1], 1),
    }

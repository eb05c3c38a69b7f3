"""Questions about rates, in the process that answers them: 30 days by country, and others."""

import statistics
import time
from pathlib import Path

from benchmarks.dataset import fill
from otpconv.clock import wall_clock
from otpconv.ledger.sqlite import SqliteLedger
from otpconv.rates import answer, parse_query

_TIMES = 30
_QUESTIONS = (
    [("by", "country")],
    [("by", "country,provider")],
    [("by", "provider"), ("country", "DE")],
    [("interval", "1d")],
    [("interval", "1h"), ("by", "country")],
)


def run(folder: Path, messages: int, seconds: int) -> list[dict[str, object]]:  # noqa: ARG001 - one form for all
    """Ask each question 30 times about 30 days of `messages`."""
    data = folder / "questions"
    data.mkdir()
    now = wall_clock()
    fill(data, messages, now)
    ledger = SqliteLedger(data / "ledger.sqlite")
    window = [("start", str(now - 30 * 86_400_000)), ("end", str(now))]
    rows = []
    for question in _QUESTIONS:
        took = []
        for _ in range(_TIMES):
            started = time.perf_counter()
            answered = answer(ledger, 1, parse_query(window + question, now))
            took.append((time.perf_counter() - started) * 1000)
        rows.append(
            {
                "benchmark": "rates of 30 days, " + ", ".join(f"{name}={value}" for name, value in question),
                "messages": messages,
                "rows": len(answered.rows),
                "p50 ms": round(statistics.median(took), 1),
                "max ms": round(max(took), 1),
            }
        )
    ledger.close()
    return rows

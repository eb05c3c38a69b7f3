"""`python -m benchmarks.question_ratios [--postgres URL]`: what questions take on PostgreSQL, times SQLite's.

Writes the same reports to both: messages of 90 days of two accounts, one of them small, with conversions,
receipts and prices. Then asks each question in turns on both, and prints a line of JSON for each question and
window: the median times and their ratio, by the clock, and in CPU time of the process and the database, which
other load distorts less. The questions are those of `/v1/rates` and of the dashboard, and others made up of
all parameters by chance. The answers of both must be the same.
"""

import argparse
import json
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import psycopg
from msgspec.structs import replace

from benchmarks.dataset import COMBINATIONS, batches
from benchmarks.growth import storage
from benchmarks.postgres_server import running
from otpconv.access.prices import Price
from otpconv.clock import wall_clock
from otpconv.errors import OtpconvError
from otpconv.ledger.forgetting import MINUTES_KEPT_MS
from otpconv.model import Conversion, Expiry, Report, Requested
from otpconv.rates import COMPARISONS, INTERVALS, LEVELS, compute_rates, parse_query
from otpconv.rates.price_list import PriceList
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.service import upkeep
from otpconv.service.engines import engine_of
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS, LedgerReader
from otpconv.storage.erasure import Deletion
from otpconv.web.pages.dashboard.overview import all_groups, overview, rates_over_time
from otpconv.web.pages.dashboard.view import WINDOWS, parse_view
from otpconv.web.v1.rates_out import notes

DAYS: Final = 90
LARGE, SMALL = 1, 2
#: One message in this many is of the small account.
_SMALL_SHARE: Final = 20
#: How often a question is asked before it is measured: from then on, PostgreSQL keeps its plans. And how long
#: at most, s.
_WARM: Final = 8
_WARM_S: Final = 2.0
_VERIFIED, _RECEIPTED = 0.8, 0.7
_PRICES: Final = PriceList([Price("", "", "", 0, 9_000, "EUR"), Price("", "DE", "", 0, 70_000, "EUR")])
#: The length of each window, ms, and the interval that suits it.
_LENGTHS: Final = {
    "1 h": (HOUR_MS, "1m"),
    "24 h": (DAY_MS, "15m"),
    "7 d": (7 * DAY_MS, "1h"),
    "30 d": (30 * DAY_MS, "1d"),
    "90 d": (90 * DAY_MS, "1d"),
}
#: The value of a dimension that a question filters by, of which there are many.
_COUNTRIES: Final = sorted({each.country for each in COMBINATIONS})
_CARRIERS: Final = sorted({each.carrier for each in COMBINATIONS})

Question = Callable[[LedgerReader], object]
Parameters = list[tuple[str, str]]


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.question_ratios", description=__doc__)
    parser.add_argument(
        "--postgres", metavar="URL", help="of a user who may create databases; default: its own"
    )
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=9, help="of each question")
    parser.add_argument("--random", type=int, default=20, help="questions by chance for each window")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: a temporary one")
    arguments = parser.parse_args()
    now = wall_clock()
    with ExitStack() as opened:
        folder = Path(
            opened.enter_context(tempfile.TemporaryDirectory(prefix="otpconv-bench-", dir=arguments.folder))
        )
        url = arguments.postgres or opened.enter_context(running(folder)).url
        engines = [
            opened.enter_context(_filled(folder / name, postgres, arguments.messages, now))
            for name, postgres in (("sqlite", None), ("postgres", url))
        ]
        for row in compared(engines, questions(now, arguments.random), arguments.turns):
            print(json.dumps(row), flush=True)


@contextmanager
def _filled(folder: Path, postgres: str | None, messages: int, now: int) -> Iterator["Engine"]:
    """Give a new ledger with the messages."""
    folder.mkdir()
    with storage(folder, postgres) as settings:
        upkeep.fill(settings, commits(messages, now))
        with closing(engine_of(settings).ledger_reader()) as reader:
            if settings.ledger is None:
                yield Engine(reader)
            else:
                with reader.snapshot():
                    pass  # it connects
                yield Engine(reader, backends_of(settings.ledger.get_secret_value()))


def commits(messages: int, now: int) -> Iterator[tuple[int, Sequence[Report | Deletion]]]:
    """Yield what to write in one commit, and when it was recorded, ms."""
    chance = random.Random(5)
    # What a server writes after its first report.
    yield now, [Expiry(0, (now - MINUTES_KEPT_MS) // HOUR_MS * HOUR_MS)]
    for batch in batches(messages, now + HOUR_MS, DAYS, _VERIFIED):
        written: list[Report | Deletion] = []
        for entry in batch:
            report = entry.report
            if isinstance(report, Requested):
                account = _account(report.message_id)
                dimensions = report.dimensions if account == LARGE else COMBINATIONS[0]
                written.append(replace(report, account=account, dimensions=dimensions))
                if chance.random() < _RECEIPTED:
                    at = report.requested_at + 2_000
                    priced = (chance.randrange(5_000, 90_000), "EUR") if chance.random() < _RECEIPTED else ()
                    written.append(
                        Receipt(account, report.message_id, ReceiptStatus.DELIVERED, at, "", *priced)
                    )
            elif isinstance(report, Conversion):
                written.append(replace(report, account=_account(report.message_id)))
        yield now, written


def _account(message_id: str) -> int:
    return SMALL if int(message_id) % _SMALL_SHARE == 0 else LARGE


def questions(now: int, count: int) -> Iterator[tuple[str, str, Question]]:
    """Yield the window, the name and the question: `count` of each window are made up by chance."""
    chance = random.Random(3)
    for window, (length, interval) in _LENGTHS.items():
        times = [("start", str(now - length)), ("end", str(now))]
        kinds = [*_kinds(length, interval), *(_by_chance(chance, length) for _ in range(count))]
        for parameters in kinds:
            name = " ".join(f"{key}={value}" for key, value in parameters)
            name = name if len(name) < 100 else f"{name[:70]}… {len(parameters)} parameters"  # noqa: PLR2004
            yield window, name or "one row", partial(_rates, LARGE, times + parameters, now)
        yield window, "small account", partial(_rates, SMALL, times, now)
        yield (
            window,
            f"small account, interval={interval}",
            partial(_rates, SMALL, [*times, ("interval", interval)], now),
        )
    for window in WINDOWS:
        for filters in ([], [("provider", "provider 1")]):
            view = parse_view([("window", window), *filters], now)
            name = f"window={window}" + (", filtered" if filters else "")
            yield (
                "page",
                f"dashboard, {name}",
                lambda ledger, view=view: overview(  # type: ignore[misc]
                    ledger, LARGE, view, now, _PRICES
                ),
            )
            yield (
                "page",
                f"chart, {name}",
                lambda ledger, view=view: rates_over_time(  # type: ignore[misc]
                    ledger, LARGE, view, now
                ),
            )
            yield (
                "page",
                f"CSV, {name}",
                lambda ledger, view=view: all_groups(  # type: ignore[misc]
                    ledger, LARGE, view, now, _PRICES
                ),
            )


def _kinds(length: int, interval: str) -> Iterator[Parameters]:
    """Yield the kinds of questions that users ask about a window."""
    yield []
    yield from ([("by", dimension)] for dimension in DIMENSIONS)
    yield [("by", "country,provider")]
    yield [("by", ",".join(DIMENSIONS))]
    yield [("by", "country,carrier,provider"), ("top", "10"), ("min_requested", "100")]
    yield [("country", "DE")]
    yield [("by", "carrier"), ("country", "DE"), ("provider", "provider 1"), ("level", "first_attempt")]
    yield [("by", "provider"), *(("country", each) for each in _COUNTRIES[:8]), ("level", "session")]
    yield [("by", "provider"), *(("sender", f"sender {n}") for n in range(400)), ("sender", "ACME")]
    yield [("by", "country"), ("order", "-cost"), ("top", "5")]
    yield from ([("compare", each)] for each in COMPARISONS)
    yield [("by", "country,provider"), ("compare", "previous"), ("order", "change")]
    yield [("interval", interval)]
    yield [("interval", interval), ("by", "provider")]
    yield [("interval", interval), ("provider", "provider 1"), ("compare", "week")]
    if length >= DAY_MS:
        yield [("interval", "1h")]
        yield [("interval", "1d"), ("tz", "Europe/Berlin")]
        yield [("interval", "1d"), ("tz", "Asia/Kolkata"), ("by", "provider")]


def _by_chance(chance: random.Random, length: int) -> Parameters:
    """Make up the parameters of a question."""
    by = chance.sample(DIMENSIONS, chance.choice((0, 0, 1, 1, 2, 3)))
    fits = [name for name, step in INTERVALS.items() if 1 < length / step < 2_500]  # noqa: PLR2004
    parameters = [("by", ",".join(by))] if by else []
    if chance.random() < 0.4:  # noqa: PLR2004
        # Rollups by minute are kept for three days.
        parameters.append(("interval", chance.choice(fits or ["1d"])))
    if chance.random() < 0.3:  # noqa: PLR2004
        parameters.append(("tz", chance.choice(("America/New_York", "Asia/Kathmandu"))))
    if chance.random() < 0.3:  # noqa: PLR2004
        parameters.append(("compare", chance.choice(COMPARISONS)))
    if chance.random() < 0.3:  # noqa: PLR2004
        parameters.append(("level", chance.choice(list(LEVELS))))
    if by and chance.random() < 0.3:  # noqa: PLR2004
        parameters += [("order", chance.choice(("-requested", "rate", "-cost"))), ("top", "7")]
    for name, values in (("country", _COUNTRIES), ("carrier", _CARRIERS)):
        if chance.random() < 0.3:  # noqa: PLR2004
            parameters += [(name, each) for each in chance.sample(values, chance.randrange(1, len(values)))]
    return parameters


def _rates(account: int, parameters: Parameters, now: int, ledger: LedgerReader) -> object:
    """Ask what `/v1/rates` does."""
    found = compute_rates(ledger, account, parse_query(parameters, now), now, _PRICES)
    return found, notes(ledger, account, found)


class Engine:
    """A ledger to ask, and the CPU time that its answers take.

    Args:
        reader: answers.
        backends: the processes of the database that answer; those of another machine do not count.
    """

    def __init__(self, reader: LedgerReader, backends: Sequence[int] = ()) -> None:
        self._reader = reader
        self._backends = backends

    def answer(self, question: Question) -> object:
        """Return the answer, from one state of the ledger."""
        with self._reader.snapshot():
            return question(self._reader)

    def warmed(self, question: Question) -> object:
        """Return the answer, after the plans for it are made."""
        began = time.perf_counter()
        found = self.answer(question)
        for _ in range(_WARM - 1):
            if time.perf_counter() < began + _WARM_S:
                found = self.answer(question)
        return found

    def measure(self, question: Question) -> tuple[float, float]:
        """Return how long an answer takes, and its CPU time in the process and in the database, ms."""
        cpu = time.thread_time() * 1e3 + self._database_ms()
        began = time.perf_counter()
        self.answer(question)
        took = (time.perf_counter() - began) * 1e3
        return took, time.thread_time() * 1e3 + self._database_ms() - cpu

    def _database_ms(self) -> float:
        stats = [Path(f"/proc/{backend}/schedstat") for backend in self._backends]
        return sum(int(stat.read_text().split()[0]) for stat in stats if stat.exists()) / 1e6


def backends_of(url: str) -> list[int]:
    """Return the processes that serve the connections of otpconv to a database."""
    asked = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
    with psycopg.connect(url) as connection:
        return [pid for (pid,) in connection.execute(asked, ("otpconv",))]


def compared(
    engines: Sequence[Engine], asked: Iterator[tuple[str, str, Question]], turns: int
) -> Iterator[dict[str, object]]:
    """Ask each question in turns, and yield what it took: in SQLite, then in PostgreSQL."""
    ratios: list[float] = []
    for window, name, question in asked:
        try:
            found = [engine.warmed(question) for engine in engines]
        except OtpconvError as error:
            yield {"window": window, "question": name, "refused": error.text}
            continue
        if len({_rounded(each) for each in found}) > 1:
            raise SystemExit(f"The answers differ: {window}, {name}")
        took: list[list[tuple[float, float]]] = [[] for _ in engines]
        for _ in range(turns):
            for engine, times in zip(engines, took, strict=True):
                times.append(engine.measure(question))
        sqlite, postgres = ([statistics.median(each) for each in zip(*times, strict=True)] for times in took)
        ratios.append(postgres[1] / sqlite[1])
        yield {
            "window": window,
            "question": name,
            "ms": [round(sqlite[0], 2), round(postgres[0], 2)],
            "CPU ms": [round(sqlite[1], 2), round(postgres[1], 2)],
            "ratio": round(postgres[0] / sqlite[0], 2),
            "CPU ratio": round(ratios[-1], 2),
        }
    ratios.sort()
    yield {
        "questions": len(ratios),
        "median CPU ratio": round(statistics.median(ratios), 2),
        "p90": round(ratios[int(len(ratios) * 0.9)], 2),
        "largest": round(ratios[-1], 2),
        "over 1.5": sum(ratio > 1.5 for ratio in ratios),  # noqa: PLR2004
        "over 2": sum(ratio > 2 for ratio in ratios),  # noqa: PLR2004
    }


def _rounded(answer: object) -> str:
    """Return an answer as text, without the last digits, in which sums of other order differ."""
    return re.sub(r"\d+\.\d+(e-\d+)?", lambda number: f"{float(number[0]):.6g}", repr(answer))


if __name__ == "__main__":
    main()

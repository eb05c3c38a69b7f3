"""`python -m benchmarks.growth [--postgres URL]`: what reports, rates and disk cost as a ledger grows.

For each number of messages, in 30 days, it measures in one process: how many reports a second the journal and
the ledger take together, of the newest messages in order and of all messages at random; how long rates take;
and the bytes of each table and index. First on SQLite, then on the PostgreSQL that is given, in which it
makes a database of its own for each size and drops it. Prints a line of JSON for each size, and meanwhile,
to stderr, how fast the ledger takes each half a million of reports. Needs little memory for any size.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import psycopg
from pydantic import SecretStr

from benchmarks.dataset import DAYS, message_id, reports, requested_at
from benchmarks.postgres_server import new_database
from benchmarks.questions import QUESTIONS, measured
from otpconv.clock import wall_clock
from otpconv.config import Settings
from otpconv.model import Conversion, Report
from otpconv.service import upkeep
from otpconv.service.engines import engine_of, postgres_engine
from otpconv.storage.contract import DAY_MS, LedgerReader

#: Reports of each measurement of writing.
_WRITTEN = 100_000
#: Reports of one commit: as many as one has under load.
_COMMIT = 2_000
_VERIFIED = 0.8
_DATABASE = "otpconv_growth"
#: How many reports are between two lines of progress.
_SHOWN = 500_000


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--postgres", metavar="URL", help="of a user who may create databases")
    parser.add_argument(
        "--messages", type=int, action="append", help="may be repeated; default: 1 M and 10 M"
    )
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: a temporary one")
    parser.add_argument("--minutes", type=float, default=240, help="stop if one ledger takes longer to fill")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # what it has made is removed
    for postgres in (None, arguments.postgres) if arguments.postgres else (None,):
        for messages in arguments.messages or (1_000_000, 10_000_000):
            with (
                tempfile.TemporaryDirectory(prefix="otpconv-bench-", dir=arguments.folder) as folder,
                storage(Path(folder), postgres) as settings,
            ):
                print(json.dumps(_measure(settings, messages, arguments.minutes)), flush=True)


@contextmanager
def storage(folder: Path, postgres: str | None) -> Iterator[Settings]:
    """Give a new storage."""
    if postgres is None:
        yield Settings(data=folder)
        return
    with new_database(postgres, _DATABASE) as url:
        settings = Settings(data=folder, ledger=SecretStr(url))
        postgres_engine(settings).create()
        yield settings


def _measure(settings: Settings, messages: int, minutes: float) -> dict[str, object]:
    now = wall_clock()
    filled = _a_second(settings, _shown(reports(messages, now, _VERIFIED), messages, minutes), now)
    sizes = _sizes(settings, messages)
    newest = range(max(0, messages - _WRITTEN), messages)
    anywhere = random.Random(11).sample(range(messages), len(newest))
    engine = engine_of(settings)
    with closing(engine.ledger_reader()) as ledger:
        questions = {days: _questions(ledger, days, now) for days in (1, DAYS)}
    return {
        "storage": "SQLite" if settings.ledger is None else "PostgreSQL",
        "messages": messages,
        "filled a second": filled,
        "newest a second": _a_second(settings, _conversions(newest, messages, now), now),
        "random a second": _a_second(settings, _conversions(anywhere, messages, now), now),
        "rates of a day, ms": questions[1],
        f"rates of {DAYS} days, ms": questions[DAYS],
        "bytes a message": sizes,
    }


def _a_second(settings: Settings, parts: Iterable[Sequence[Report]], now: int) -> int:
    """Write reports into the journal and the ledger, and return how many a second."""
    written = 0

    def commits() -> Iterator[tuple[int, Sequence[Report]]]:
        nonlocal written
        for part in parts:
            for first in range(0, len(part), _COMMIT):
                written += len(some := part[first : first + _COMMIT])
                yield now, some

    began = time.perf_counter()
    upkeep.fill(settings, commits())
    return round(written / (time.perf_counter() - began))


def _shown(parts: Iterable[list[Report]], messages: int, minutes: float) -> Iterator[list[Report]]:
    """Show the progress of filling a ledger.

    Raises:
        SystemExit: it takes too long.
    """
    began = since = time.perf_counter()
    total = shown = 0
    for part in parts:
        yield part
        total += len(part)
        now = time.perf_counter()
        if now > began + minutes * 60:
            raise SystemExit(f"{total:,} reports of {messages:,} messages took {minutes:g} minutes")
        if total >= shown + _SHOWN:
            speed = round((total - shown) / (now - since))
            sys.stderr.write(f"{total:,} reports of {messages:,} messages; {speed:,} a second lately\n")
            shown, since = total, now


def _conversions(numbers: Sequence[int], messages: int, now: int) -> Iterator[list[Report]]:
    """Yield a late conversion of each message, which changes its state and often its counts."""
    for first in range(0, len(numbers), _COMMIT):
        yield [
            Conversion(1, True, requested_at(number, messages, now) + 3_000_000, message_id(number))  # noqa: FBT003
            for number in numbers[first : first + _COMMIT]
        ]


def _questions(ledger: LedgerReader, days: int, now: int) -> dict[str, object]:
    """Return the median time of each question, ms."""
    window = [("start", str(now - days * DAY_MS)), ("end", str(now))]
    return {
        " ".join(f"{name}={value}" for name, value in question) or "one row": measured(
            ledger, window, question, now
        )["p50 ms"]
        for question in QUESTIONS
    }


def _sizes(settings: Settings, messages: int) -> dict[str, float]:
    """Return the bytes of each table and index for each message, without those under a byte."""
    if settings.ledger is not None:
        with psycopg.connect(settings.ledger.get_secret_value()) as connection:
            rows = connection.execute(_POSTGRES_SIZES).fetchall()
    else:
        rows = []
        for file in sorted(settings.data.glob("*.sqlite")):
            with closing(apsw.Connection(str(file))) as opened:
                rows += opened.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").fetchall()
    by_size = sorted(((str(name), int(size) / messages) for name, size in rows), key=lambda row: -row[1])
    return {name: round(size, 1) for name, size in by_size if size >= 1}


_POSTGRES_SIZES = """
SELECT relname, pg_table_size(c.oid) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE nspname LIKE 'otpconv%' AND relkind IN ('r', 'm')
UNION ALL
SELECT relname, pg_relation_size(c.oid) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE nspname LIKE 'otpconv%' AND relkind = 'i'
"""


if __name__ == "__main__":
    main()

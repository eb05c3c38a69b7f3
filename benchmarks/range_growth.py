"""`python -m benchmarks.range_growth [--messages N]`: how the rollups by number range grow, in three worlds.

All messages are of one day and account, evenly over it. Prints a line of JSON for each world: the rows and
bytes in SQLite, as they come and after the server has shortened the ranges of the day.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw

from benchmarks.dataset import COMBINATIONS, message_id, record
from otpconv.model import Dimensions, Requested
from otpconv.storage.contract import DAY_MS, Entry
from otpconv.storage.erasure import Erasure
from otpconv.storage.range_counts import MAX_DAY_RANGES
from otpconv.storage.sqlite import SqliteLedgerReader

_DAY = 20_000 * DAY_MS
_BATCH = 5_000
#: Mobile networks of a country have some prefixes each, and each prefix a thousand ranges.
_PREFIXES = [f"+{code}{prefix}" for code in (49, 33, 44, 62, 91) for prefix in range(150, 170)]
#: What a fraud sends to: as many messages as all others, to few ranges.
_PUMPED = [f"+2637{number:05}" for number in range(40)]


def _real(chance: random.Random) -> str:
    return f"{chance.choice(_PREFIXES)}{min(int(chance.expovariate(0.005)), 999):03}"


def _pumping(chance: random.Random) -> str:
    return chance.choice(_PUMPED) if chance.random() < 0.5 else _real(chance)  # noqa: PLR2004 - half of them


def _adversarial(chance: random.Random) -> str:
    return f"+{chance.randrange(10**7, 10**8)}"


#: By name: draws the range of a message.
WORLDS: dict[str, Callable[[random.Random], str]] = {
    "real-life ranges": _real,
    "pumping": _pumping,
    "random ranges": _adversarial,
}


def main() -> None:
    """Run all worlds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.range_growth", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    messages = parser.parse_args().messages
    for name, draw in WORLDS.items():
        with tempfile.TemporaryDirectory(prefix="otpconv-bench-") as folder:
            print(json.dumps({"world": name} | _grown(Path(folder), draw, messages)), flush=True)


def _grown(data: Path, draw: Callable[[random.Random], str], messages: int) -> dict[str, float]:
    record(data, _batches(draw, messages), _DAY)
    rows, size = _measured(data)
    steps = 0
    with closing(SqliteLedgerReader(data / "ledger.sqlite")) as reader:
        while lengths := reader.range_lengths():
            record(data, [[Entry(Erasure(0, 0, range_lengths=lengths))]], _DAY)
            steps += 1
        shortened_rows, shortened_size = _measured(data)
        began = time.process_time()
        found = len(reader.ranges(1, _DAY, _DAY + DAY_MS))
        asked_s = time.process_time() - began
    return {
        "messages": messages,
        "rows": rows,
        "MB": round(size / 1e6, 1),
        "steps": steps,
        "rows, shortened": shortened_rows,
        "MB, shortened": round(shortened_size / 1e6, 1),
        "most rows of a day": MAX_DAY_RANGES,
        "ranges": found,
        "CPU s of the question": round(asked_s, 2),
    }


def _batches(draw: Callable[[random.Random], str], messages: int) -> Iterator[list[Entry]]:
    chance = random.Random(7)
    for first in range(0, messages, _BATCH):
        yield [
            Entry(_requested(number, messages, chance, draw))
            for number in range(first, min(first + _BATCH, messages))
        ]


def _requested(
    number: int, messages: int, chance: random.Random, draw: Callable[[random.Random], str]
) -> Requested:
    number_range = draw(chance)
    country = COMBINATIONS[0].country if number_range[1:3] == "26" else f"C{number_range[1:3]}"
    at = _DAY + number * DAY_MS // messages
    hashed = chance.randbytes(16).hex()
    return Requested(1, message_id(number), at, Dimensions(country, provider="p"), hashed, number_range)


def _measured(data: Path) -> tuple[int, int]:
    """Return the rows of the rollups by range, and the bytes of their pages that are in use."""
    with closing(apsw.Connection(str(data / "ledger.sqlite"))) as connection:
        ((rows,),) = connection.execute("SELECT count(*) FROM range_rollups").fetchall()
        used = "SELECT sum(pgsize - unused) FROM dbstat WHERE name = 'range_rollups'"
        ((size,),) = connection.execute(used).fetchall()
    return int(rows or 0), int(size or 0)


if __name__ == "__main__":
    main()

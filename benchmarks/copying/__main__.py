"""`python -m benchmarks.copying [--postgres URL]`: copies a ledger to PostgreSQL and back, under load.

A server records 300 reports a second, while `otpconv ledger copy` runs. The copy is killed three times at
random and continues; numbers are deleted until then. Then the load ends, the copy catches up, and everything
is compared: the answers to many questions about rates, and the exports, byte for byte. Then the same back
from PostgreSQL.

Prints a line of JSON; exits with 1 if anything differs.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from benchmarks.copying.commands import Done, killed_at_random, otpconv
from benchmarks.copying.comparing import answers, exports
from benchmarks.copying.filling import fill_ledger, number_of
from benchmarks.copying.load import Load
from benchmarks.postgres_server import new_database, running
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import Settings
from otpconv.storage.contract import DAY_MS

_KILLS = 3
#: A copy is killed within this time, s, for each million messages: long before it has ended.
_KILLED_WITHIN_S = 40.0
#: How long the load runs without a copy, before it and after it, s.
_QUIET_S = 10.0
#: Numbers that are forgotten before the first copy, and how old messages are that are pruned then, days.
_FORGOTTEN, _PRUNED_DAYS = 3, 29.5


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.copying", description=__doc__)
    parser.add_argument(
        "--postgres", metavar="URL", help="of a user who may create databases; default: a server of its own"
    )
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, help="of the times of the kills")
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="otpconv-bench-") as name, _database(arguments.postgres) as url:
        result = _there_and_back(Path(name), url, arguments.messages)
        print(json.dumps(result), flush=True)
    if any(leg["different"] for leg in result.values()):
        raise SystemExit(1)


@contextmanager
def _database(postgres: str | None) -> Iterator[str]:
    """Give the URL of a new database, in the given server or in one of its own."""
    if postgres is None:
        with running(Path(tempfile.gettempdir()) / "postgres") as server:
            yield server.url
    else:
        with new_database(postgres, "otpconv_copying") as url:
            yield url


def _there_and_back(folder: Path, url: str, messages: int) -> dict[str, dict[str, object]]:
    data, back = folder / "data", folder / "back"
    first = LocalServer(data)
    with first:
        pass  # makes the folder and its first key
    fill_ledger(Settings(data=data), messages, wall_clock())
    for number in range(_FORGOTTEN):
        otpconv("forget", "--number", number_of(number), "--data", data, settings={})
    before = wall_clock() - round(_PRUNED_DAYS * DAY_MS)
    otpconv("ledger", "prune", "--before", before, "--data", data, settings={})
    in_database = {"OTPCONV_LEDGER": url}
    second = LocalServer(data, in_database)
    second.access_key_id, second.access_key_secret = first.access_key_id, first.access_key_secret
    within_s = 2 + _KILLED_WITHIN_S * messages / 1_000_000
    there = _leg(first, "there-", {}, (data, url), within_s)
    there["different"] = _different((data, {}), (data, in_database))
    again = _leg(second, "back-", in_database, (url, back), within_s)
    again["different"] = _different((data, in_database), (back, {}))
    return {"SQLite to PostgreSQL": there, "PostgreSQL to SQLite": again}


def _leg(
    server: LocalServer, name: str, settings: Mapping[str, str], sides: tuple[object, object], within_s: float
) -> dict[str, object]:
    """Copy under load with kills, then the rest without load; return what it took."""
    words = ("ledger", "copy", "--from", sides[0], "--to", sides[1], "--data", server.data)
    with server, Load(server, name, settings, forgets=True) as load:
        quiet = [_quiet()]
        copies = [killed_at_random(*words, settings={}, within_s=within_s) for _ in range(_KILLS)]
        # The ledger of a copy is built again after each run in which messages were deleted that it has.
        load.keep()
        copies.append(otpconv(*words, settings={}))
        busy = copies[0].began, copies[-1].ended
        quiet.append(_quiet())
    last = otpconv(*words, settings={})
    p99 = load.p99_ms(busy), load.p99_ms(*quiet)
    return {
        "entries": last.output["position"],
        **_totals(copies),
        "caught up": last.figures() | {"copied": last.output["copied"], "lag": last.output["lag"]},
        "p99 ms": p99[0],
        "p99 ms without": p99[1],
        "p99 ratio": round(p99[0] / p99[1], 2),
        "reports": load.acknowledged,
        "failed": load.failed,
        "forgotten": load.forgotten,
    }


def _totals(copies: list[Done]) -> dict[str, object]:
    """Return what several copies took that continue one another."""
    seconds = sum(copy.ended - copy.began for copy in copies)
    return {
        "s": round(seconds, 1),
        "cpu_s": round(sum(copy.cpu_s for copy in copies), 1),
        "rss_mb": max(copy.rss_mb for copy in copies),
        "entries a second": round(copies[-1].output["position"] / seconds),
    }


def _quiet() -> tuple[float, float]:
    began = time.perf_counter()
    time.sleep(_QUIET_S)
    return began, time.perf_counter()


def _different(*storages: tuple[Path, Mapping[str, str]]) -> list[str]:
    """Return which answers and exports of two storages are not the same, to the byte."""
    now = wall_clock()
    here, there = (
        answers(_settings(data, settings), now) | exports(settings, data) for data, settings in storages
    )
    return [what for what in here | there if here.get(what) != there.get(what)]


def _settings(data: Path, settings: Mapping[str, str]) -> Settings:
    url = settings.get("OTPCONV_LEDGER")
    return Settings(data=data, ledger=SecretStr(url) if url else None)


if __name__ == "__main__":
    main()

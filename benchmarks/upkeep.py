"""`python -m benchmarks.upkeep [--postgres URL]`: what an operator's commands take.

On SQLite, then on PostgreSQL: a server records 300 reports a second, while `otpconv ledger verify`, `backup`
and `prune --archive` run one after the other. Then the server is stopped, and the ledger is rebuilt, verified
and pruned again. Both archives are compared with an export made before. After the first prune, as many
messages come as it deleted, and the storage must not be larger than at first. Prints a line of JSON for each
command; exits with 1 if a result is wrong.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from pyarrow import parquet
from pydantic import SecretStr

from benchmarks.copying.commands import Done, otpconv
from benchmarks.copying.filling import ACCOUNTS, fill_ledger
from benchmarks.copying.load import Load
from benchmarks.dataset import DAYS
from benchmarks.postgres_server import new_database, running
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import Settings
from otpconv.service.engines import postgres_engine
from otpconv.storage.contract import DAY_MS

#: How long the load runs without a command, before them and after them, s.
_QUIET_S = 10.0
#: The shares of messages that are pruned beside a server, and in all.
_BESIDE, _IN_ALL = 0.4, 0.5
#: A storage may be this much larger after as many messages came as were pruned.
_LARGER = 1.1
_SIZE = """
SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE nspname LIKE 'otpconv%' AND relkind = 'r'
"""


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upkeep", description=__doc__)
    parser.add_argument(
        "--postgres", metavar="URL", help="of a user who may create databases; default: a server of its own"
    )
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=("sqlite", "postgres"), help="only this one")
    arguments = parser.parse_args()
    right = True
    for engine in ("sqlite", "postgres"):
        if arguments.engine in {None, engine}:
            with (
                tempfile.TemporaryDirectory(prefix="otpconv-bench-") as folder,
                _storage(engine, arguments.postgres) as settings,
            ):
                for row in _Upkeep(Path(folder), settings, arguments.messages).run():
                    print(json.dumps({"engine": engine} | row), flush=True)
                    right &= row.get("right", True) is True
    if not right:
        raise SystemExit(1)


@contextmanager
def _storage(engine: str, postgres: str | None) -> Iterator[dict[str, str]]:
    """Give the settings of a new storage, as OTPCONV_* variables."""
    if engine == "sqlite":
        yield {}
    elif postgres is None:
        with running(Path(tempfile.gettempdir()) / "postgres") as server:
            yield {"OTPCONV_LEDGER": server.url}
    else:
        with new_database(postgres, "otpconv_upkeep") as url:
            yield {"OTPCONV_LEDGER": url}


#: A row of an export: its names and values.
_Line: TypeAlias = frozenset[tuple[str, Any]]


class _Upkeep:
    """The commands on one storage."""

    def __init__(self, folder: Path, settings: Mapping[str, str], messages: int) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._messages = messages
        self._variables = settings
        self._url = settings.get("OTPCONV_LEDGER")
        self._settings = Settings(data=self._data, ledger=SecretStr(self._url) if self._url else None)
        self._now = wall_clock()

    def run(self) -> Iterator[dict[str, object]]:
        """Run all commands, and yield what each took."""
        if self._url:
            postgres_engine(self._settings).create()
        server = LocalServer(self._data, dict(self._variables))
        with server:
            pass  # makes the first key
        yield self._filled("m")
        size = self._bytes()
        exported = self._exported()
        with server, Load(server, "load-", self._variables) as load:
            quiet = [_quiet()]
            done = list(self._beside())
            quiet.append(_quiet())
        without = load.p99_ms(*quiet)
        for name, command in done:
            p99 = load.p99_ms((command.began, command.ended))
            shares = {"p99 ms": p99, "p99 ms without": without, "p99 ratio": round(p99 / without, 2)}
            yield self._row(name, command) | shares
        yield {"beside": "all", "reports": load.acknowledged, "failed": load.failed}
        pruned = self._bytes()
        yield self._filled("again-", round(_BESIDE * self._messages))
        after = self._bytes()
        sizes = {"at first": size, "pruned": pruned, "after as many messages again": after}
        yield {"bytes": sizes, "right": after <= _LARGER * size}
        yield self._row("rebuild", otpconv("ledger", "rebuild", *self._data_option, settings=self._variables))
        yield self._row("verify", otpconv("ledger", "verify", *self._data_option, settings=self._variables))
        yield self._row("prune, stopped", self._pruned(_IN_ALL, "rest.parquet"))
        yield self._archives(exported)

    @property
    def _data_option(self) -> tuple[str, Path]:
        return "--data", self._data

    def _beside(self) -> Iterator[tuple[str, Done]]:
        yield "verify", otpconv("ledger", "verify", *self._data_option, settings=self._variables)
        if not self._url:
            file = self._folder / "backup.tar"
            yield "backup", otpconv("ledger", "backup", file, *self._data_option, settings=self._variables)
            file.unlink()
        yield "prune", self._pruned(_BESIDE, "old.ndjson")

    def _before(self, share: float) -> int:
        return self._now - round((1 - share) * DAYS * DAY_MS)

    def _pruned(self, share: float, archive: str) -> Done:
        words = "--before", self._before(share), "--archive", self._folder / archive
        return otpconv("ledger", "prune", *words, *self._data_option, settings=self._variables)

    def _row(self, name: str, command: Done) -> dict[str, object]:
        """Return what a command took, and whether it says that all is well."""
        if "checks" in command.output:
            return {"command": name, **command.figures(), "right": command.output["ok"]}
        return {"command": name, **command.figures(), **command.output}

    def _filled(self, name: str, messages: int | None = None) -> dict[str, object]:
        began = time.perf_counter()
        fill_ledger(self._settings, messages or self._messages, self._now, name)
        return {"filled": messages or self._messages, "s": round(time.perf_counter() - began, 1)}

    def _bytes(self) -> int:
        if not self._url:
            return sum(file.stat().st_size for file in self._data.glob("*.sqlite*"))
        with closing(psycopg.connect(self._url, autocommit=True)) as connection:
            connection.execute("VACUUM")
            ((size,),) = connection.execute(_SIZE).fetchall()
        return int(size)

    def _exported(self) -> set[_Line]:
        """Return all rows of the exports of all accounts."""
        rows: set[_Line] = set()
        for account in ACCOUNTS:
            file = self._folder / f"{account}.ndjson"
            words = "export", "--account", account, "--output", file, *self._data_option
            otpconv(*words, settings=self._variables)
            rows |= _lines(file, {"account": account})
            file.unlink()
        return rows

    def _archives(self, exported: set[_Line]) -> dict[str, object]:
        """Compare both archives with the export: the messages that were requested before each time."""
        first, second = self._before(_BESIDE), self._before(_IN_ALL)
        requested: dict[tuple[str, str], int] = {
            (row["account"], row["message_id"]): row["requested_at"]
            for row in map(dict, exported)
            if "requested_at" in row
        }

        def requested_before(row: _Line) -> bool:
            of = dict(row)
            return requested.get((of["account"], of["message_id"]), second) < first

        archived = set(filter(requested_before, _lines(self._folder / "old.ndjson", {})))
        table = parquet.read_table(self._folder / "rest.parquet").to_pylist()
        kept = {(row["account"], row["message_id"]) for row in table} & requested.keys()
        return {
            "rows of archives": (len(archived), len(table)),
            "right": archived == set(filter(requested_before, exported))
            and kept == {key for key, at in requested.items() if first <= at < second},
        }


def _lines(file: Path, more: Mapping[str, str]) -> set[_Line]:
    """Return the rows of a file of NDJSON, with `more`."""
    with file.open() as stream:
        return {frozenset((json.loads(line) | more).items()) for line in stream}


def _quiet() -> tuple[float, float]:
    began = time.perf_counter()
    time.sleep(_QUIET_S)
    return began, time.perf_counter()


if __name__ == "__main__":
    main()

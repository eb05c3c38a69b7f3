"""What two storages give for the same questions."""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import msgspec

from benchmarks.copying.commands import otpconv
from benchmarks.copying.filling import ACCOUNTS
from benchmarks.questions import QUESTIONS
from otpconv.config import Settings
from otpconv.rates import compute_rates, parse_query
from otpconv.service.opening import open_key_store, open_ledger
from otpconv.storage.contract import DAY_MS, HOUR_MS

_DIMENSIONS = ("country", "carrier", "provider", "template", "sender", "channel", "access_key")
_MORE: list[list[tuple[str, str]]] = [
    *([("by", dimension)] for dimension in _DIMENSIONS),
    *([("by", f"provider,{dimension}")] for dimension in _DIMENSIONS if dimension != "provider"),
    [("level", "session"), ("by", "template")],
    [("level", "first_attempt"), ("interval", "1d")],
    [("by", "provider"), ("order", "-cost")],
    [("country", "DE"), ("template", ""), ("interval", "1h")],
    [("by", "country,carrier,provider,template,sender,channel")],
]
_WINDOWS_MS = (HOUR_MS, DAY_MS, 7 * DAY_MS, 40 * DAY_MS)
_FORMATS = ("ndjson", "parquet")


def answers(settings: Settings, now: int) -> dict[str, bytes]:
    """Return the rates of all accounts for many questions, and the position of the ledger in the journal."""
    given = {}
    with closing(open_key_store(settings)) as keys:
        accounts = [keys.account(name) for name in ACCOUNTS]
    ledger, lag = open_ledger(settings)
    with closing(ledger):
        with ledger.snapshot() as position:
            given["position and lag"] = f"{position} {lag}".encode()
        for account in accounts:
            for window in _WINDOWS_MS:
                for question in (*QUESTIONS, *_MORE):
                    of = [("start", str(now - window)), ("end", str(now)), *question]
                    answer = compute_rates(ledger, account, parse_query(of, now), now)
                    given[f"account {account}: {of}"] = msgspec.json.encode(answer)
    return given


def exports(settings: Mapping[str, str], data: Path) -> dict[str, str]:
    """Return the SHA-256 of the exports of all accounts, in all formats."""
    return dict(_exports(settings, data))


def _exports(settings: Mapping[str, str], data: Path) -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory(prefix="otpconv-bench-") as folder:
        for account in ACCOUNTS:
            for suffix in _FORMATS:
                file = Path(folder) / f"{account}.{suffix}"
                words = "export", "--account", account, "--output", file, "--data", data
                otpconv(*words, settings=settings)
                with file.open("rb") as stream:
                    yield file.name, hashlib.file_digest(stream, "sha256").hexdigest()
                file.unlink()

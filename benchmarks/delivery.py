"""A backlog: how fast a reporter delivers the reports that it spooled while the server was away."""

import time
from pathlib import Path

from otpconv.cli.local_server import LocalServer
from otpconv.delivery.destination import Dialect
from otpconv.reporter import Reporter

_REPORTS: dict[Dialect, int] = {"native": 100_000, "alibaba": 10_000}
_LONGEST_S = 300.0


def run(folder: Path, messages: int, seconds: int) -> list[dict[str, object]]:  # noqa: ARG001 - one form for all
    """Spool 100,000 conversions and deliver them by batches, then 10,000 and deliver them by signed calls."""
    with LocalServer(folder / "delivery") as server:
        return [_measure(server, folder, dialect, count) for dialect, count in _REPORTS.items()]


def _measure(server: LocalServer, folder: Path, dialect: Dialect, count: int) -> dict[str, object]:
    reporter = Reporter(
        server.url,
        server.access_key_id,
        server.access_key_secret,
        dialect=dialect,
        spool=folder / f"spool-{dialect}",
    )
    reporter.degrade()
    for number in range(count):
        reporter.report(f"{dialect}-{number}")
    began = time.perf_counter()
    reporter.restore()
    reporter.flush(_LONGEST_S)
    took = time.perf_counter() - began
    stats = reporter.stats()
    reporter.close()
    if stats.delivered != count:
        raise SystemExit(f"spooled {count}, delivered {stats.delivered}")
    return {
        "benchmark": f"delivery of a backlog, {dialect}",
        "reports": count,
        "seconds": round(took, 2),
        "reports a second": round(count / took),
    }

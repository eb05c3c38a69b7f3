"""What the detectors cost those who report: signed calls with and without them, in turns.

The detectors work the most after their first start, when they learn the past; that is measured.
"""

import statistics
import time
from contextlib import closing
from pathlib import Path

from benchmarks.dataset import fill
from benchmarks.relay import ratios
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.storage.sqlite import SqliteEngine

#: How long the detectors may take to begin, s.
_PATIENCE_S = 120.0


def run(folder: Path, messages: int, seconds: int) -> list[dict[str, object]]:
    """Measure signed calls on two servers in turns: with detectors, and without."""
    now, messages = wall_clock(), min(messages, 400_000)
    servers = []
    for name, alerts in (("with", "true"), ("without", "false")):
        with LocalServer(folder / name):
            pass  # makes the folder and its first key
        fill(folder / name, messages, now, verified=0.8)
        servers.append(LocalServer(folder / name, {"OTPCONV_ALERTS": alerts}))
    with servers[0] as alerting, servers[1] as plain:
        began = time.monotonic()
        while _looked(alerting.data) == 0:
            if time.monotonic() > began + _PATIENCE_S:
                raise SystemExit("the detectors do not begin")
            time.sleep(0.5)
        first = _looked(alerting.data)
        found = ratios(alerting, plain, messages, seconds, now)
        looks = (_looked(alerting.data) - first) // 60_000
    if not looks:
        raise SystemExit("the detectors did not look meanwhile: give more --seconds, e.g. 60")
    return [
        {
            "benchmark": "signed calls with detectors, to those without",
            "ratio": round(statistics.median(found), 3),
            "ratios": sorted(round(ratio, 2) for ratio in found),
            "looks": looks,
        }
    ]


def _looked(data: Path) -> int:
    """Return the time of the checkpoint, ms; 0: there is none yet."""
    with closing(SqliteEngine(data).alerts()) as store:
        return max(store.checkpoints().values(), default=0)

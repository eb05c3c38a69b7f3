"""`python -m benchmarks.alerts TRIAL`: what the watch finds in seeded worlds, as lines of JSON."""

import argparse
import json
from collections.abc import Iterator
from statistics import mean

from benchmarks.alerts import trials
from benchmarks.alerts.world import routes
from otpconv.rates.slices import Slice
from otpconv.storage.contract import MINUTE_MS

Row = dict[str, object]

_DEAD_PROVIDER = Slice((("country", "C1"), ("provider", "p2")))
_DEAD_CARRIER = Slice((("country", "C1"), ("carrier", "k1-1")))


def healthy(seeds: range, days: int, batch: int) -> Iterator[Row]:
    """False alarms in healthy worlds."""
    found = []
    for seed in seeds:
        found.append(trials.false_alarms(seed, days, batch * MINUTE_MS))
        yield {"seed": seed, "days": days, "batch": batch, "found": found[-1], "budget": days / 30}
    budget = len(found) * days / 30
    yield {"found": sum(found), "budget": budget, "poisson_95": budget + 1.65 * budget**0.5}


def dead(seeds: range, days: int, batch: int) -> Iterator[Row]:
    """How many dead routes are found within 5 minutes of the first 50 lost messages."""
    del days, batch
    for name, which, leaves in (
        ("a provider in a country", _DEAD_PROVIDER, routes(10)),
        ("a carrier in a country of one provider", _DEAD_CARRIER, routes(10, 3, 1)),
    ):
        lives = [trials.fault(seed, which, leaves, left=0.0, a_day=6_000, hours=1) for seed in seeds]
        yield {
            "dead": name,
            "worlds": len(lives),
            "in_time": sum(live.in_time for live in lives),
            "named": sum(live.named for live in lives),
            "others": sum(live.others for live in lives),
        }


def fall(seeds: range, days: int, batch: int) -> Iterator[Row]:
    """After how many messages a fall from 85 to 60 % is found, and the optimum."""
    del days, batch
    watched, month = 55, 30 * 6_000 * 0.885
    optimum = trials.optimal_messages(0.85, 60 / 85, month * watched)
    for rhythm in (False, True):
        lost = [_messages_to_find(seed, rhythm=rhythm) for seed in seeds]
        found = [messages for messages in lost if messages is not None]
        yield {
            "daily_rhythm": rhythm,
            "worlds": len(lost),
            "found": len(found),
            "messages": mean(found),
            "optimum": optimum,
            "ratio": mean(found) / optimum,
        }


def _messages_to_find(seed: int, *, rhythm: bool) -> int | None:
    """Return after how many messages a fall from 85 to 60 % is found; None: not in a day."""
    live = trials.fault(
        seed,
        _DEAD_PROVIDER,
        routes(10),
        left=60 / 85,
        a_day=6_000,
        hours=24,
        median_s=8.0,
        rate=0.85,
        rhythm=rhythm,
    )
    # A message is counted when the minute is over and has its age.
    return live.lost_by(live.first - live.minutes * MINUTE_MS) if live.first else None


def mixed(seeds: range, days: int, batch: int) -> Iterator[Row]:
    """The share of false findings among all in worlds with falls."""
    found = []
    for seed in seeds:
        found.append(trials.discoveries(seed, 10, days, batch * MINUTE_MS))
        yield {"seed": seed, "days": days, "batch": batch, "findings": found[-1][0], "false": found[-1][1]}
    total, false = map(sum, zip(*found, strict=True))
    yield {"worlds": len(found), "findings": total, "false": false, "share": false / max(total, 1)}


def cost(seeds: range, days: int, batch: int) -> Iterator[Row]:
    """CPU time for a minute of traffic, with the largest number of slices."""
    del seeds, days, batch
    watched, average, most, written = trials.cost(180)
    yield {"slices": watched, "cpu_s": average, "most_s": most, "bytes_written": written}


def main() -> None:
    """Run what the command line asks for."""
    every = {"healthy": healthy, "dead": dead, "fall": fall, "mixed": mixed, "cost": cost}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alerts", description=__doc__)
    parser.add_argument("trial", choices=[*every])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--batch", type=int, default=30, help="minutes that are counted at once, up to 60")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    for row in every[arguments.trial](seeds, arguments.days, arguments.batch):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

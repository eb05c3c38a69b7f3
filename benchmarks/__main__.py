"""`python -m benchmarks [NAME ...]`: run the benchmarks and print each result as a line of JSON."""

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks import (
    acknowledging,
    alerting,
    applier,
    dashboard,
    delivery,
    native,
    prune,
    questions,
    relay,
    signed,
    sustained,
)
from benchmarks.reporter import run as reporter

_BENCHMARKS = {
    "signed": signed.run,
    "native": native.run,
    "sustained": sustained.run,
    "questions": questions.run,
    "applier": applier.run,
    "acknowledging": acknowledging.run,
    "delivery": delivery.run,
    "prune": prune.run,
    "reporter": reporter.run,
    "dashboard": dashboard.run,
    "relay": relay.run,
    "alerting": alerting.run,
}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", default=list(_BENCHMARKS), help=f"of {list(_BENCHMARKS)}"
    )
    parser.add_argument("--messages", type=int, default=1_000_000, help="in the ledger")
    parser.add_argument("--seconds", type=int, default=8, help="of each measurement")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: a temporary one")
    arguments = parser.parse_args()
    for name in arguments.names:
        with tempfile.TemporaryDirectory(prefix="otpconv-bench-", dir=arguments.folder) as folder:
            for row in _BENCHMARKS[name](Path(folder), arguments.messages, arguments.seconds):
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

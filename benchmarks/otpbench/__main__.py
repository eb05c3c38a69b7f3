"""`python -m benchmarks.otpbench`: compare otpconv's alerts with the rules of peers, and print the tables."""

import argparse
import os
from pathlib import Path

from benchmarks.otpbench import detectors, exporting
from benchmarks.otpbench.running import TABLE_SEED, corpus, run, tune, wide
from benchmarks.otpbench.scenes import SCENES, WIDE_SCENES, play
from benchmarks.otpbench.table import tables, written

_PAGE = Path(__file__).resolve().parents[2] / "docs/explanation/otp-bench.md"


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.otpbench", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, help="worlds of each scene")
    parser.add_argument("--first", type=int, default=TABLE_SEED, help="the seed of the first one")
    parser.add_argument("--scenes", nargs="+", choices=[*SCENES], default=[*SCENES], metavar="SCENE")
    parser.add_argument("--wide", type=int, default=1, help="worlds with several faults at once")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many run at a time")
    parser.add_argument("--write", action="store_true", help=f"also write the tables into {_PAGE.name}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    tuning = commands.add_parser("tune", help="find the best numbers for the peers' rules, on other worlds")
    tuning.add_argument("--worlds", type=int, default=8, help="of each scene")
    listing = commands.add_parser("alarms", help="print the alarms of otpconv in a world")
    listing.add_argument("scene", choices=[*SCENES, *WIDE_SCENES], metavar="SCENE")
    listing.add_argument("seed", type=int, metavar="SEED")
    export = commands.add_parser("export", help="print the messages of a world as lines of JSON")
    export.add_argument("scene", choices=[*SCENES, *WIDE_SCENES], metavar="SCENE", help=", ".join(SCENES))
    export.add_argument("seed", type=int, metavar="SEED")
    export.add_argument("--labels", action="store_true", help="print the faults instead")
    arguments = parser.parse_args()
    match arguments.command:
        case "tune":
            for name, rule, score in tune(arguments.worlds, arguments.processes):
                print(f"{name}: {rule} scores {score:.1f}", flush=True)
        case "alarms":
            played = play(arguments.scene, arguments.seed)
            print(*exporting.labels(played), sep="\n")
            for line in exporting.alarms(played, detectors.alarms(detectors.ours(), played.world)):
                print(line)
        case "export":
            write = exporting.labels if arguments.labels else exporting.messages
            for line in write(play(arguments.scene, arguments.seed)):
                print(line)
        case _:
            _compare(arguments)


def _compare(arguments: argparse.Namespace) -> None:
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    some = corpus(arguments.scenes, seeds)
    several = wide(range(arguments.first, arguments.first + arguments.wide))
    results = run([*some, *several], arguments.processes)
    text = tables(
        {name: [one for one in each if one.scene in SCENES] for name, each in results.items()},
        {name: [one for one in each if one.scene in WIDE_SCENES] for name, each in results.items()}
        if several
        else {},
    )
    print(text)
    if arguments.write:
        _PAGE.write_text(written(_PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")


if __name__ == "__main__":
    main()

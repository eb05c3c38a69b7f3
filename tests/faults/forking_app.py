"""A WSGI application that reports as it is loaded and in each request, under servers that fork their workers.

uWSGI, gunicorn and the others load it by its path. It notes, in a file, each report that returned.
"""

import json
import os
from collections.abc import Callable, Iterable

from otpconv.reporter import Reporter

URL, SPOOL, NOTES = json.loads(os.environ["FORKING"])  # noqa: TID251 - a child's own
AT_LOAD = 40
IN_A_REQUEST = 20

_notes = os.open(NOTES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
reporter = Reporter(URL, "testid", "testsecret", spool=SPOOL, longest_pause_ms=100)


def report(name: str, count: int) -> None:
    for number in range(count):
        id_ = f"{name}-{os.getpid()}-{os.urandom(4).hex()}-{number}"
        reporter.report(id_)
        os.write(_notes, f"{id_}\n".encode())


report("load", AT_LOAD)


def application(_environ: dict[str, object], start: Callable[..., object]) -> Iterable[bytes]:
    report("request", IN_A_REQUEST)
    stats = reporter.stats()
    start("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([os.getpid(), stats.lost, stats.damaged]).encode()]

"""Connects to the host that takes writes. All hosts are asked at once, so several take no longer than one."""

import re
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from time import monotonic
from typing import Final

import psycopg

from otpconv.storage.postgres.connection import Connection

#: What a server or libpq says, in English, when waiting does not help.
_REFUSAL: Final = re.compile(
    r"authentication failed|does not exist|no pg_hba.conf entry|certificate verify|root certificate"
    r"|does not support SSL|permission denied|no password supplied"
)


def connect(attempts: Sequence[str], seconds: float) -> Connection:
    """Return a connection to the first host that accepts one.

    Args:
        attempts: what libpq needs, for each host.
        seconds: how long it may take, with the lookups of the hosts' addresses.

    Raises:
        psycopg.OperationalError: no host has accepted one; a refusal only if all hosts have refused.
    """
    threads = ThreadPoolExecutor(len(attempts), "connect")
    waiting = {threads.submit(Connection.connect, attempt, autocommit=True) for attempt in attempts}
    threads.shutdown(wait=False)
    until = monotonic() + seconds
    failures: list[BaseException] = []
    while waiting:
        done, waiting = wait(waiting, max(0.0, until - monotonic()), FIRST_COMPLETED)
        accepted = [future for future in done if future.exception() is None]
        if accepted or not done:
            for future in [*accepted[1:], *waiting]:
                future.add_done_callback(_close)
            if accepted:
                return accepted[0].result()
            failures.append(psycopg.errors.ConnectionTimeout("connection timeout expired"))
            break
        failures += [error for future in done if (error := future.exception()) is not None]
    raise _summary(failures)


def is_refusal(error: BaseException) -> bool:
    """Return whether the operator must correct something before a connection is accepted."""
    return isinstance(error, psycopg.OperationalError) and _REFUSAL.search(str(error)) is not None


def _close(future: "Future[Connection]") -> None:
    if future.exception() is None:
        future.result().close()


def _summary(failures: Sequence[BaseException]) -> BaseException:
    """Return one error for those of all hosts."""
    telling = [error for error in failures if not is_refusal(error)] or failures
    if len(telling) == 1 or not isinstance(telling[0], psycopg.Error):
        return telling[0]
    lines = dict.fromkeys(next(iter(str(error).splitlines()), "") for error in telling)
    return psycopg.OperationalError("; ".join(lines))

"""Celery: `reporter = close_with_worker()`, and in a task `reporter.report(…)`.

There is no task that reports: a report is taken in microseconds and spooled, so a broker in front adds
nothing. A Reporter made before the worker forks works in each of its processes. But these end without
Python's own clean-up, so Celery's signals tell it when to flush.
"""

from celery.signals import worker_process_shutdown, worker_shutdown

from otpconv.contrib.unconfigured import disabled_without_endpoint
from otpconv.reporter import Reporter


def close_with_worker(reporter: Reporter | None = None) -> Reporter:
    """Close a reporter when a worker, or a process of its pool, shuts down; return it.

    Args:
        reporter: the reporter; default: one that takes its settings from the environment, and is disabled
            where that names no endpoint.

    Raises:
        ValueError: the environment names an endpoint, and its other settings are wrong or incomplete.
    """
    closing = Reporter(**disabled_without_endpoint({})) if reporter is None else reporter

    def close(**_: object) -> None:
        closing.close()

    # Celery keeps handlers by weak references, and nobody else keeps this one.
    for ending in (worker_process_shutdown, worker_shutdown):
        ending.connect(close, weak=False)
    return closing

"""Celery: `reporter = close_with_worker(Reporter())`, and in a task `reporter.report(…)`.

There is no task that reports: a report is taken in microseconds and spooled, a broker in front adds nothing.
A Reporter made before the worker forks is good in each of its processes. But these end without Python's own
clean-up, so it must hear from Celery that it is time to flush.
"""

from celery.signals import worker_process_shutdown, worker_shutdown

from otpconv.reporter import Reporter


def close_with_worker(reporter: Reporter) -> Reporter:
    """Close the reporter when a worker, or a process of its pool, shuts down; return it."""

    def close(**_: object) -> None:
        reporter.close()

    # Celery keeps handlers by weak references, and nobody else keeps this one.
    for ending in (worker_process_shutdown, worker_shutdown):
        ending.connect(close, weak=False)
    return reporter

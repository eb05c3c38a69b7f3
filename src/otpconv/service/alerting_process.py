"""The detectors' process: runs until its standard input ends, or the server is silent.

The detectors have a process of their own, since their work would hold Python's global lock, and reports would
have to wait. `service/alerting.py` starts it.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import BinaryIO, Final

from otpconv.alerts.conversion import ConversionWatch
from otpconv.alerts.detector import Detector
from otpconv.alerts.detectors import Detectors
from otpconv.alerts.follower import Follower
from otpconv.alerts.relaying import RelayFacts
from otpconv.clock import Clock, wall_clock
from otpconv.config import Settings
from otpconv.service.arrivals import opened_arrivals
from otpconv.service.engines import engine_of
from otpconv.service.notifying import notifying
from otpconv.service.opening import open_sealer
from otpconv.service.signs_of_life import SignsOfLife
from otpconv.service.vendors import Vendors

#: In the data folder: held by the process that looks.
_LOCK: Final = "alerting"


def run_alerting(settings: Settings, signs: BinaryIO, clock: Clock = wall_clock) -> None:
    """Look for what needs an alert until the input ends, or the server is silent.

    Args:
        settings: name the storage, and the budget of false alarms.
        signs: gets a byte about once a second.
        clock: the time now.

    Raises:
        Misconfigured: the storage can't be used.
        Unavailable: the storage failed at the start.
    """
    alive, engine = SignsOfLife(signs), engine_of(settings)
    with (
        alive.alone(settings.data / _LOCK),
        notifying(engine, engine.access(clock).alert_targets(open_sealer(settings)), settings, clock),
        opened_follower(settings, clock) as follower,
    ):
        alive.at_end(follower.stop)
        follower.run()


@contextmanager
def opened_follower(settings: Settings, clock: Clock) -> Iterator[Follower]:
    """Open the follower of a storage, which runs all detectors; closed on leaving.

    Args:
        settings: name the storage, and the budget of false alarms.
        clock: the time now.

    Raises:
        Misconfigured: the storage can't be used.
        Unavailable: the storage failed.
    """
    with ExitStack() as opened:
        engine = engine_of(settings)
        sealer = open_sealer(settings)
        access = engine.access(clock)
        keys = opened.enter_context(closing(access.keys(sealer)))
        vendors = Vendors(engine, partial(access.vendors, sealer), clock, lambda _: None)
        store = opened.enter_context(closing(engine.alerts()))
        ledger = opened.enter_context(closing(engine.ledger_reader()))
        arrivals = opened.enter_context(opened_arrivals(engine, clock))

        def accounts() -> Sequence[int]:
            return sorted({*(key.account for key in keys.list()), *store.checkpoints()})

        def detector(account: int) -> Detector:
            return Detectors(
                settings.alerts_budget,
                ConversionWatch,
                relays=partial(relay_facts, vendors, account),
                arrivals=partial(arrivals.of, account),
            )

        yield Follower(ledger, store, accounts, detector, clock)


def relay_facts(vendors: Vendors, account: int) -> list[RelayFacts]:
    """Return how the relay to each vendor account of an account is doing."""
    return [
        RelayFacts(
            vendor=state.vendor.name,
            paused=state.vendor.paused,
            late_ms=state.late_ms,
            waiting=state.counts.get("waiting", 0),
            dead=state.counts.get("dead", 0),
        )
        for state in vendors.states(account)
    ]

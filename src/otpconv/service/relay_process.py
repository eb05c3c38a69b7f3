"""The relay's process: relays until its standard input ends, or until the server is silent.

The relay has a process of its own, since its calls would hold Python's global lock, and reports would have to
wait. `service/relaying.py` starts it.
"""

from contextlib import ExitStack, closing
from typing import BinaryIO, Final

from otpconv.access.number_seal import NumberSeal
from otpconv.clock import Clock, wall_clock
from otpconv.config import Settings
from otpconv.relay.follower import Follower
from otpconv.relay.kinds import KINDS
from otpconv.relay.relay import Relay
from otpconv.service.engines import engine_of
from otpconv.service.opening import open_sealer, opened_look_up
from otpconv.service.signs_of_life import SignsOfLife

#: In the data folder: held by the process that relays.
_LOCK: Final = "relaying"


def run_relay(settings: Settings, signs: BinaryIO, clock: Clock = wall_clock) -> None:
    """Relay until the input ends, or the server is silent.

    Args:
        settings: name the storage.
        signs: gets a byte about once a second.
        clock: the time now.

    Raises:
        Misconfigured: the storage can't be used.
        Unavailable: the storage failed at the start.
    """
    alive = SignsOfLife(signs)
    with alive.alone(settings.data / _LOCK), ExitStack() as opened:
        engine = engine_of(settings)
        sealer = open_sealer(settings)
        vendors = opened.enter_context(closing(engine.access(clock).vendors(sealer)))
        journal = opened.enter_context(closing(engine.journal()))
        ledger = opened.enter_context(closing(engine.ledger_reader()))
        look_up = opened.enter_context(opened_look_up(engine))
        store = engine.relay()
        follower = Follower(journal, ledger, look_up, store, vendors=vendors.list, kinds=KINDS.get)
        relay = Relay(follower, store, vendors.list, KINDS.get, clock, open_number=NumberSeal(sealer).open)
        alive.at_end(relay.stop)
        relay.run()

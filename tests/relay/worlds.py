"""A relay in this process: journal and ledger of an engine, a fake of the calls, and a clock of its own."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.transport import DELIVERED, Outcome
from otpconv.relay.follower import Follower
from otpconv.relay.sender import Sender
from otpconv.storage.relay.contract import RelayStore, Send
from relay.vendors import KINDS
from storage.engines import NOW, Engine, Storage


class Crash(BaseException):
    """The process ends here."""


class FakeCalls:
    """Takes what a vendor is sent.

    Attributes:
        taken: how often each message and feedback was taken, by vendor account.
        order: the same in order.
        answer: the outcomes of a round; may raise `Crash` after the vendor has taken some.
    """

    def __init__(self) -> None:
        self.taken: Counter[tuple[str, str]] = Counter()
        self.order: list[tuple[str, str]] = []
        self.answer: Callable[[Sequence[Send]], list[Outcome]] = lambda sends: [DELIVERED] * len(sends)

    def send(self, sends: Sequence[Send]) -> list[Outcome]:
        outcomes = self.answer(sends)
        for send, outcome in zip(sends, outcomes, strict=True):
            if outcome is DELIVERED:
                self.take(send)
        return outcomes

    def take(self, send: Send) -> None:
        self.taken[send.message_id, send.feedback] += 1
        self.order.append((send.message_id, send.feedback))

    def close(self) -> None:
        pass


class World:
    """A relay whose process can be restarted; the vendors' side outlives it."""

    def __init__(self, storage: Storage, store: RelayStore, vendors: Sequence[VendorAccount]) -> None:
        self.storage, self.store = storage, store
        self.vendors = list(vendors)
        self.now = NOW
        self.calls = {vendor.id: FakeCalls() for vendor in vendors}
        self.restart()

    def restart(self) -> None:
        storage = self.storage
        self.follower = Follower(
            storage.journal,
            storage.ledger,
            storage.ledger.look_up,
            self.store,
            vendors=lambda: self.vendors,
            kinds=KINDS.get,
        )
        self.senders = {}
        for vendor in self.vendors:
            calls = self.calls[vendor.id]
            sender = Sender(vendor, KINDS[vendor.kind], self.store, calls, lambda: self.now)  # type: ignore[arg-type]
            sender.begin()
            self.senders[vendor.id] = sender

    def follow(self) -> None:
        while self.follower.behind():
            self.follower.step()

    def send(self) -> None:
        """Send until nothing is due."""
        for sender in self.senders.values():
            for _ in range(1_000):
                sender.breaker.probe_now()
                if sender.round() > 0:
                    break


@contextmanager
def world(engine: Engine, vendors: Sequence[VendorAccount]) -> Iterator[World]:
    with engine.open() as storage, engine.relay() as store:
        yield World(storage, store, vendors)

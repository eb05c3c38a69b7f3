"""A notification as it is sent, with the alerts that its news are about."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from otpconv.delivery.transport import Outcome
from otpconv.storage.alerts.contract import Alert
from otpconv.storage.notifications.contract import NewsKind, Told


class Item(Struct, frozen=True):
    """The news about one alert.

    Attributes:
        alert: as it is now.
        kinds: of the news, in order, each once.
        at: when the last of them happened, ms.
    """

    alert: Alert
    kinds: tuple[NewsKind, ...]
    at: int

    @property
    def kind(self) -> NewsKind:
        """The last news."""
        return self.kinds[-1]


class Message(Struct, frozen=True):
    """A notification as it is sent.

    Attributes:
        key: its stable id.
        items: the alerts, in the order of their first news.
        test: whether somebody only tests the target.
    """

    key: str
    items: Sequence[Item]
    test: bool = False


class Wire(Protocol):
    """Sends notifications to one target, for one thread at a time."""

    def send(self, message: Message, now: int) -> Outcome:
        """Send a notification, and return what became of it within `DEADLINE_MS` or a little later.

        Whatever goes wrong is an outcome: it raises nothing on purpose.

        Args:
            message: the notification.
            now: ms.
        """


#: How long sending a notification may take, ms.
DEADLINE_MS = 10_000


def items_of(news: Sequence[Told], alerts: Sequence[Alert]) -> list[Item]:
    """Return the news of a notification by alert; those about alerts that were forgotten are left out."""
    known = {alert.id: alert for alert in alerts}
    items: dict[int, Item] = {}
    for told in news:
        alert = known.get(told.alert)
        if alert is not None:
            before = items[told.alert].kinds if told.alert in items else ()
            kinds = (*(kind for kind in before if kind != told.kind), told.kind)
            items[told.alert] = Item(alert, kinds, told.at)
    return list(items.values())

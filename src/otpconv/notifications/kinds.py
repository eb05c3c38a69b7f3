"""The kinds of targets: what each needs, and what notifies it."""

from typing import Final

from msgspec import Struct

from otpconv.access.alert_targets import AlertTarget, TargetKind
from otpconv.notifications.alertmanager import AlertmanagerWire
from otpconv.notifications.apprise_wire import URL, AppriseWire
from otpconv.notifications.message import Wire
from otpconv.notifications.webhook import AUTHORIZATION, ENDPOINT, SIGNING_SECRET, WebhookWire


class Value(Struct, frozen=True):
    """A setting or a secret of a kind.

    Attributes:
        name: of the value.
        help: what it is, for people.
        secret: whether it is never shown.
        required: whether a target needs it.
    """

    name: str
    help: str
    secret: bool = True
    required: bool = True


_AUTHORIZATION: Final = Value(AUTHORIZATION, "value of the header Authorization", required=False)

#: What a target of each kind needs.
VALUES: Final[dict[TargetKind, tuple[Value, ...]]] = {
    "apprise": (Value(URL, "URL of a service as apprise writes it, e.g. slack://…"),),
    "webhook": (
        Value(ENDPOINT, "URL that takes notifications", secret=False),
        Value(SIGNING_SECRET, "the key of the signature, 16 characters or more"),
        _AUTHORIZATION,
    ),
    "alertmanager": (
        Value(ENDPOINT, "URL of Alertmanager, e.g. http://alertmanager:9093", secret=False),
        _AUTHORIZATION,
    ),
}


def wire_of(target: AlertTarget, public_url: str | None) -> Wire:
    """Return what notifies a target."""
    match target.kind:
        case "apprise":
            return AppriseWire(target, public_url)
        case "webhook":
            return WebhookWire(target, public_url)
        case "alertmanager":
            return AlertmanagerWire(target, public_url)

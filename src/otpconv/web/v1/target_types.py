"""The requests and answers of `/v1/alert-targets`."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from otpconv.access.alert_targets import Rules
from otpconv.service.alert_targets import TargetState

TARGETS_PATH: Final = "/v1/alert-targets"


class TargetIn(Struct, forbid_unknown_fields=True):
    """A new target. `settings` has the settings and the secrets of the kind, by name."""

    name: Annotated[str, Meta(description="1 to 64 of letters, digits and . - _ @")]
    kind: Annotated[str, Meta(description="apprise, webhook or alertmanager", examples=["webhook"])]
    settings: Annotated[
        dict[str, str],
        Meta(
            description="Of apprise: url; of webhook: endpoint, signing_secret, authorization; of"
            " alertmanager: endpoint, authorization. Secrets are sealed at rest and never shown",
            extra_json_schema={"writeOnly": True},
        ),
    ]
    rules: Rules = Rules()


class TargetOut(Struct):
    """A target without its secrets, and how notifying it is going. Times are in ms, UTC."""

    name: str
    kind: str
    settings: dict[str, str]
    secrets: Annotated[list[str], Meta(description="The names of the secrets that are set")]
    rules: Rules
    created_at: int
    sent: Annotated[int, Meta(description="Notifications that it took")]
    waiting: Annotated[int, Meta(description="Notifications that wait")]
    dead: Annotated[int, Meta(description="Notifications that were given up after 3 days")]
    given_up: Annotated[int, Meta(description="Those of them that are kept: retry sends them again")]
    dropped: Annotated[int, Meta(description="News for which there was no room, since too many waited")]
    last_sent_at: int | None
    failing_since: Annotated[int | None, Meta(description="Null while it takes notifications")]
    error: Annotated[str, Meta(description="Why it fails; empty while it does not")]


class TargetsOut(Struct):
    """The targets of an account, by name."""

    targets: list[TargetOut]


class TargetDeleted(Struct):
    """The name of the target that was deleted."""

    deleted: str


class TargetRetried(Struct):
    """How many notifications that were given up wait again."""

    retried: int


class TargetTested(Struct):
    """The result of a test notification."""

    sent: bool
    text: str


def target_out(state: TargetState) -> TargetOut:
    """Return a target as the API shows it."""
    target, contact = state.target, state.contact
    return TargetOut(
        name=target.name,
        kind=target.kind,
        settings=dict(target.settings),
        secrets=sorted(target.secrets),
        rules=target.rules,
        created_at=target.created_at,
        sent=contact.sent,
        waiting=state.waiting,
        dead=contact.dead,
        given_up=state.given_up,
        dropped=contact.dropped,
        last_sent_at=contact.last_sent_at,
        failing_since=contact.failing_since,
        error=contact.error,
    )

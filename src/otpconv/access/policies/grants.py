"""The policies of a user or of an assumed role, with a cache of their decisions."""

from collections.abc import Callable
from typing import Final

from otpconv.access.policies.conditions import Context
from otpconv.access.policies.document import Document
from otpconv.access.policies.evaluation import (
    AccessRequest,
    AttachedPolicy,
    Decision,
    decide,
    depends_on_context,
)

#: Cached decisions; there are about ten actions, so only an attacker needs more.
_KEPT: Final = 256


class Grants:
    """Policies, and cached decisions that don't depend on a request's context. Immutable: replace it instead.

    Args:
        policies: those of the user, or of the assumed role.
        session_policy: the policy that restricts the session of the assumed role, if any.
    """

    __slots__ = ("_kept", "policies", "session_policy")

    def __init__(
        self, policies: tuple[AttachedPolicy, ...] = (), session_policy: Document | None = None
    ) -> None:
        self.policies = policies
        self.session_policy = session_policy
        # None means that the decision depends on the context.
        self._kept: dict[tuple[str, str], Decision | None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the policies, in order."""
        return tuple(policy.name for policy in self.policies)

    def decide(self, action: str, context: Callable[[], Context], resource: str = "*") -> Decision:
        """Decide whether an action is allowed; one lookup in the cache unless it depends on a condition.

        Args:
            action: e.g. `dysms:SmsConversion`.
            context: returns the condition keys of the request; called only if a condition needs them.
            resource: the target of the action.

        Raises:
            InvalidRequest: the action or the resource is malformed.
        """
        try:
            kept = self._kept[action, resource]
        except KeyError:
            kept = self._first(action, resource)
        return kept or self._judge(AccessRequest(action, resource, context()))

    # typing.override is not in Python 3.11, hence the two markers.
    def __eq__(self, other: object) -> bool:  # type: ignore[explicit-override]
        if not isinstance(other, Grants):
            return NotImplemented
        return (self.policies, self.session_policy) == (other.policies, other.session_policy)

    def __hash__(self) -> int:  # type: ignore[explicit-override]
        return hash(self.names)

    def _first(self, action: str, resource: str) -> Decision | None:
        depends = depends_on_context(self.policies, action, self.session_policy)
        decision = None if depends else self._judge(AccessRequest(action, resource))
        if len(self._kept) < _KEPT:
            self._kept[action, resource] = decision
        return decision

    def _judge(self, request: AccessRequest) -> Decision:
        return decide(self.policies, request, self.session_policy)

"""What somebody was granted: the policies of a user or of an assumed role, and what they decide."""

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
    """Policies, with the decisions that no request's context can change; never altered, but replaced.

    Args:
        policies: those of the user, or of the role that was assumed.
        session_policy: what the assumed role's session was restricted to, if it was.
    """

    __slots__ = ("_kept", "policies", "session_policy")

    def __init__(
        self, policies: tuple[AttachedPolicy, ...] = (), session_policy: Document | None = None
    ) -> None:
        self.policies = policies
        self.session_policy = session_policy
        # None stands for "it depends".
        self._kept: dict[tuple[str, str], Decision | None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the policies, in their order."""
        return tuple(policy.name for policy in self.policies)

    def decide(self, action: str, context: Callable[[], Context], resource: str = "*") -> Decision:
        """Decide whether an action is allowed; a look-up unless a condition has a say in it.

        Args:
            action: as `dysms:SmsConversion`.
            context: gives the condition keys of the request; called only when a condition needs them.
            resource: what it is to be done to.

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

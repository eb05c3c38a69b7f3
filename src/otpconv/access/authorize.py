"""Permission checks; `authorize` is the only place that asks for permission."""

from collections.abc import Callable

from otpconv.access.keys import AccessKey
from otpconv.access.policies.conditions import Context
from otpconv.access.policies.evaluation import Decision, brief
from otpconv.errors import AccessDenied


def authorize(key: AccessKey, action: str, context: Callable[[], Context], resource: str = "*") -> None:
    """Check that the holder of `key` may do `action`.

    Args:
        key: of a user, or of the session of an assumed role.
        action: e.g. `dysms:SmsConversion`.
        context: returns the condition keys of the request; called only if a condition needs them.
        resource: the target of the action.

    Raises:
        AccessDenied: no policy allows it, or one denies it.
        InvalidRequest: the action or the resource is malformed.
    """
    decision = key.grants.decide(action, context, resource)
    if not decision.allowed:
        raise _denied(key, action, decision)


def _denied(key: AccessKey, action: str, decision: Decision) -> AccessDenied:
    who = "user" if key.principal_type == "SubUser" else "role's session"
    remedy = (
        "attach one that does, or use another access key"
        if decision.kind == "ImplicitDeny"
        else "the request must meet its conditions, or the policy change"
    )
    return AccessDenied(
        f"The {who} {key.display_name} may not do {action}: {brief(decision)}; {remedy}.",
        action=action,
        kind="ExplicitDeny" if decision.kind == "ExplicitDeny" else "ImplicitDeny",
        policy_type=decision.policy_type,
        principal_type=key.principal_type,
        display_name=key.display_name,
        account=key.account,
    )

"""Evaluates policies: an explicit Deny beats every Allow, and a request that no policy allows is denied.

Pure and stateless: the same policies and the same request always give the same decision.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec import Struct

from otpconv.access.policies.conditions import OPERATORS, Condition, Context
from otpconv.access.policies.document import Document, Statement
from otpconv.access.policies.patterns import resource_parts
from otpconv.clock import iso_8601

#: The types of policies, in the words of refusals.
PolicyType = Literal["AccountLevelIdentityBasedPolicy", "SessionPolicy"]

_IDENTITY: Final = "AccountLevelIdentityBasedPolicy"
_SESSION: Final = "SessionPolicy"

_SHOWN_CHARS: Final = 120


class AttachedPolicy(Struct, frozen=True):
    """A policy that is attached to a user or a role.

    Attributes:
        name: unique among the attached policies.
        document: the parsed policy.
    """

    name: str
    document: Document


class AccessRequest(Struct, frozen=True):
    """A request for permission.

    Attributes:
        action: e.g. `dysms:SmsConversion`; case-insensitive.
        resource: `acs:<ramcode>:<region>:<account-id>:<relative-id>`, or `*` for all resources of the
            action's service.
        context: condition keys and their values, as `global_keys` gives them.
    """

    action: str
    resource: str = "*"
    context: Context = {}


class Decision(Struct, frozen=True):
    """The decision on a request.

    Attributes:
        allowed: whether the action is allowed.
        kind: `ExplicitDeny` if a statement denies it, `ImplicitDeny` if no statement allows it.
        policy_type: the type of policies that decided.
        policy: the name of the policy that decided; None for the session policy, and for an implicit denial.
        statement: the index of the statement that decided, from 0; None for an implicit denial.
        decided_by: the statement itself.
    """

    allowed: bool
    kind: Literal["Allow", "ExplicitDeny", "ImplicitDeny"]
    policy_type: PolicyType
    policy: str | None = None
    statement: int | None = None
    decided_by: Statement | None = None


def decide(
    policies: Sequence[AttachedPolicy], request: AccessRequest, session_policy: Document | None = None
) -> Decision:
    """Decide whether a request is allowed.

    Args:
        policies: those of the user, or of the assumed role.
        request: the action, resource and context.
        session_policy: the policy that restricts the session of the assumed role, if any. It is evaluated
            first, and can only take permissions away.

    Returns:
        The decision. It names the first statement that denies, or else the first that allows.

    Raises:
        InvalidRequest: the action or the resource of the request is malformed.
    """
    if session_policy is not None:
        within = _judge([(None, session_policy)], request, _SESSION)
        if not within.allowed:
            return within
    return _judge([(policy.name, policy.document) for policy in policies], request, _IDENTITY)


def depends_on_context(
    policies: Iterable[AttachedPolicy], action: str, session_policy: Document | None = None
) -> bool:
    """Return whether the context of a request can affect the decision on an action.

    If it can't, the decision can be cached by policies, action and resource. This check is cheap.
    """
    documents = [policy.document for policy in policies]
    if session_policy is not None:
        documents.append(session_policy)
    lowered = action.lower()
    return any(
        statement.conditions and statement.is_about(lowered)
        for document in documents
        for statement in document.statements
    )


def global_keys(*, source_ip: str, now: int, secure_transport: bool, user_agent: str) -> Context:
    """Return the condition keys that every request has.

    `acs:MFAPresent` is not among them, because an access key can't prove a second factor.

    Args:
        source_ip: the caller's address.
        now: ms; conditions compare whole seconds.
        secure_transport: whether the request arrived by HTTPS.
        user_agent: empty if the caller sent none; without the key, a Deny about it would never apply.
    """
    return {
        "acs:SourceIp": source_ip,
        "acs:CurrentTime": iso_8601(now),
        "acs:SecureTransport": "true" if secure_transport else "false",
        "acs:UserAgent": user_agent,
    }


def explain_decision(decision: Decision, request: AccessRequest) -> str:
    """Describe a decision in one line: the request, and the statement that decided.

    Args:
        decision: the result of `decide`.
        request: the request that it was made for.
    """
    asked = f"{request.action} on {_resource(request.resource)}"
    session = decision.policy_type == _SESSION
    statement = decision.decided_by
    if statement is None:
        whose = "the session policy" if session else "the attached policies"
        return f"{asked} is denied: no statement of {whose} allows it."
    policy = "the session policy" if session else f"the policy {decision.policy}"
    verdict, verb = ("allowed", "allows") if decision.allowed else ("denied", "denies")
    return (
        f"{asked} is {verdict}: Statement[{decision.statement}] of {policy} {verb} "
        f"{_statement(statement)}.{_given(statement.conditions, request.context)}"
    )


def brief(decision: Decision) -> str:
    """Return why a request is denied, for its caller: names the policy, but none of its contents."""
    session = decision.policy_type == _SESSION
    if decision.kind == "ImplicitDeny":
        return "the session policy does not allow it" if session else "no policy allows it"
    return f"an explicit Deny in the {'session policy' if session else f'policy {decision.policy}'}"


def _judge(
    policies: Iterable[tuple[str | None, Document]], request: AccessRequest, policy_type: PolicyType
) -> Decision:
    resource = resource_parts(request.resource, request.action)
    action = request.action.lower()
    allowing: Decision | None = None
    for name, document in policies:
        for index, statement in enumerate(document.statements):
            if allowing is not None and statement.effect == "Allow":
                continue
            if not statement.applies(action, resource, request.context):
                continue
            decision = Decision(
                allowed=statement.effect == "Allow",
                kind="Allow" if statement.effect == "Allow" else "ExplicitDeny",
                policy_type=policy_type,
                policy=name,
                statement=index,
                decided_by=statement,
            )
            if not decision.allowed:
                return decision
            allowing = decision
    return allowing or Decision(allowed=False, kind="ImplicitDeny", policy_type=policy_type)


def _statement(statement: Statement) -> str:
    actions = ", ".join(statement.actions)
    if statement.excepted:
        actions = f"everything but {actions}"
    resources = ", ".join(_resource(pattern.written) for pattern in statement.resources)
    conditions = " and ".join(_condition(condition) for condition in statement.conditions)
    return f"{actions} on {resources}" + (f" where {conditions}" if conditions else "")


def _condition(condition: Condition) -> str:
    values = " or ".join(map(_printable, condition.values))
    return f"{_printable(condition.key)} {OPERATORS[condition.operator].words} {values}"


def _given(conditions: Sequence[Condition], context: Context) -> str:
    given = []
    for key in dict.fromkeys(condition.key for condition in conditions):
        values = context.get(key, ())
        values = (values,) if isinstance(values, str) else values
        given.append(f"{_printable(key)} {', '.join(map(_printable, values))}")
    return f" The request has {' and '.join(given)}." if given else ""


def _resource(resource: str) -> str:
    return "everything" if resource == "*" else _printable(resource)


def _printable(text: str) -> str:
    shown = text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
    return shown if shown.isprintable() and shown else repr(shown)

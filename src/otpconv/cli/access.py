"""`otpconv access`: show whether an action is allowed, and which statement decides."""

from typing import TYPE_CHECKING, Annotated

import typer

from otpconv.cli import completion
from otpconv.cli.cautions import caution
from otpconv.cli.manual import add
from otpconv.cli.options import Account, Data, Json, Tz
from otpconv.cli.stores import directory
from otpconv.cli.telling import tell
from otpconv.cli.zone import zone_of
from otpconv.errors import Misconfigured

if TYPE_CHECKING:
    from otpconv.access.policies.evaluation import AccessRequest, Decision

app = typer.Typer(no_args_is_help=True, help="Show whether a user or a role may do something, and why.")

_DENIED = 1


@app.callback()
def _group() -> None:
    """Keep `explain` a separate command, although it is the only one."""


_Action = Annotated[
    str,
    typer.Option(
        metavar="ACTION", help="The action, e.g. dysms:SmsConversion.", autocompletion=completion.actions
    ),
]
_User = Annotated[
    str | None, typer.Option(metavar="USER", help="The user who calls.", autocompletion=completion.users)
]
_Role = Annotated[
    str | None,
    typer.Option(
        metavar="ROLE",
        help="Or the role that was assumed for the call.",
        autocompletion=completion.roles,
    ),
]
_At = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="The request's time, e.g. 'monday 9:30' or ISO 8601; default: now."),
]


def explain(
    action: _Action,
    user: _User = None,
    role: _Role = None,
    account: Account = "default",
    resource: Annotated[str, typer.Option(metavar="ARN", help="The resource of the action.")] = "*",
    source_ip: Annotated[str, typer.Option(metavar="IP", help="The request's source address.")] = "127.0.0.1",
    secure: Annotated[bool, typer.Option(help="The request comes by HTTPS.")] = False,
    user_agent: Annotated[str, typer.Option(metavar="TEXT", help="The User-Agent of the client.")] = "",
    at: _At = None,
    tz: Tz = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show whether a user or a role may do something, and which statement of which policy decides.

    Warns about an action that this server does not have, and suggests the nearest one.

    Exit codes: 0 allowed, 1 denied.

    Examples:
        otpconv access explain --user login-service --action dysms:SmsConversion

        otpconv access explain --role reporter --action otpconv:QueryRates --source-ip 203.0.113.7 --secure
    """
    from otpconv.access.policies.cautions import decision_cautions
    from otpconv.access.policies.evaluation import AccessRequest, decide, explain_decision, global_keys
    from otpconv.clock import wall_clock
    from otpconv.times import parse_time

    if (user is None) is (role is None):
        raise Misconfigured("give one of --user and --role, not both or neither")
    zone = zone_of(tz)
    at_ms = wall_clock() if at is None else parse_time(at, "--at", now=wall_clock(), tz=zone)
    context = global_keys(source_ip=source_ip, now=at_ms, secure_transport=secure, user_agent=user_agent)
    request = AccessRequest(action, resource, context)
    with directory(data) as opened:
        holder = opened.role(account, role) if role is not None else opened.user(account, str(user))
    decision = decide(holder.grants.policies, request)
    words = explain_decision(decision, request)
    doubts = caution(decision_cautions(action, holder.grants.policies))
    tell(words, {**_fields(decision, words, request), "cautions": doubts}, json=json)
    if not decision.allowed:
        raise typer.Exit(_DENIED)


add(app, "explain", explain)


def _fields(decision: "Decision", words: str, request: "AccessRequest") -> dict[str, object]:
    return {
        "allowed": decision.allowed,
        "kind": decision.kind,
        "policy": decision.policy,
        "statement": decision.statement,
        "explanation": words,
        "action": request.action,
        "resource": request.resource,
        "context": request.context,
    }

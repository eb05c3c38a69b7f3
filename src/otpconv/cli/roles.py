"""`otpconv roles`: the roles that users can assume, and their policies."""

from typing import TYPE_CHECKING, Annotated

import typer

from otpconv.cli import completion
from otpconv.cli.cautions import caution_of_policy
from otpconv.cli.manual import add
from otpconv.cli.options import Account, Data, Json, Policy, Tz
from otpconv.cli.stores import Change, directory
from otpconv.cli.telling import tell, tell_members, tell_rows
from otpconv.cli.zone import zone_of

if TYPE_CHECKING:
    from otpconv.access.keys import Role

app = typer.Typer(no_args_is_help=True, help="Create, list and delete roles; attach policies to them.")

_Name = Annotated[str, typer.Argument(metavar="ROLE", autocompletion=completion.roles)]


def create(
    name: _Name,
    max_duration: Annotated[
        int, typer.Option(metavar="SECONDS", help="Longest session: 900 to 43200 s.")
    ] = 3600,
    account: Account = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """Create a role without policies, which may do nothing yet. Creates the account if it does not exist.

    Examples:
        otpconv roles create reporter --max-duration 7200
    """
    with directory(data, _change("CreateRole", account, name)) as opened:
        role = opened.create_role(account, name, max_duration)
    tell(
        f"role {name} created; give it a policy: otpconv roles attach {name} POLICY",
        _fields(role),
        json=json,
    )


def list_roles(account: Account = "default", tz: Tz = None, data: Data = None, json: Json = False) -> None:
    """List the roles of an account.

    Examples:
        otpconv roles list --account shop
    """
    zone = zone_of(tz)
    with directory(data) as opened:
        roles = opened.roles(account)
    tell_rows(("role", "policies", "max_duration_s", "created_at"), map(_fields, roles), json=json, zone=zone)


def show(
    name: _Name, account: Account = "default", tz: Tz = None, data: Data = None, json: Json = False
) -> None:
    """Show a role with its policies, and the ARN that AssumeRole needs.

    Examples:
        otpconv roles show reporter
    """
    zone = zone_of(tz)
    with directory(data) as opened:
        role = opened.role(account, name)
    tell_members(_fields(role), json=json, zone=zone)


def delete(name: _Name, account: Account = "default", data: Data = None, json: Json = False) -> None:
    """Delete a role; its running sessions lose all permissions.

    Examples:
        otpconv roles delete reporter
    """
    with directory(data, _change("DeleteRole", account, name)) as opened:
        opened.delete("role", account, name)
    tell(f"role {name} deleted", {"role": name, "deleted": True}, json=json)


def attach(
    name: _Name, policy: Policy, account: Account = "default", data: Data = None, json: Json = False
) -> None:
    """Attach a policy to a role.

    Examples:
        otpconv roles attach reporter OtpconvReportOnly
    """
    with directory(data, _change("AttachPolicy", account, name, policy)) as opened:
        opened.attach("role", account, name, policy)
        document = opened.policy(account, policy).document
        role = opened.role(account, name)
    caution_of_policy(document)
    tell(f"the role {role.name} has now: {', '.join(role.grants.names)}", _fields(role), json=json)


def detach(
    name: _Name, policy: Policy, account: Account = "default", data: Data = None, json: Json = False
) -> None:
    """Detach a policy from a role.

    Examples:
        otpconv roles detach reporter OtpconvReportOnly
    """
    with directory(data, _change("DetachPolicy", account, name, policy)) as opened:
        opened.detach("role", account, name, policy)
        role = opened.role(account, name)
    left = ", ".join(role.grants.names) or "no policy, and may do nothing"
    tell(f"the role {role.name} has now: {left}", _fields(role), json=json)


for _command in (create, list_roles, show, delete, attach, detach):
    add(app, _command.__name__.removesuffix("_roles"), _command)


def _change(what: str, account: str, name: str, policy: str | None = None) -> Change:
    return Change(what, f"role {account}/{name}" + (f", policy {policy}" if policy else ""))


def _fields(role: "Role") -> dict[str, object]:
    from otpconv.access.sts.tokens import role_arn

    return {
        "role": role.name,
        "arn": role_arn(role.account, role.name),
        "account": role.account_name,
        "policies": role.grants.names,
        "max_duration_s": role.max_duration_s,
        "created_at": role.created_at,
    }

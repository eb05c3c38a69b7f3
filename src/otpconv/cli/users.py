"""`otpconv users`: the users of an account, and their policies."""

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
    from otpconv.access.directory import User

app = typer.Typer(no_args_is_help=True, help="Create, list and delete users; attach policies to them.")

_Name = Annotated[str, typer.Argument(metavar="USER", autocompletion=completion.users)]


def create(name: _Name, account: Account = "default", data: Data = None, json: Json = False) -> None:
    """Create a user without policies, who may do nothing yet. Creates the account if it does not exist.

    Examples:
        otpconv users create login-service
    """
    with directory(data, _change("CreateUser", account, name)) as opened:
        user = opened.create_user(account, name)
    tell(
        f"user {name} created; give it a policy: otpconv users attach {name} POLICY",
        _fields(user),
        json=json,
    )


def list_users(account: Account = "default", tz: Tz = None, data: Data = None, json: Json = False) -> None:
    """List the users of an account.

    Examples:
        otpconv users list --account shop
    """
    zone = zone_of(tz)
    with directory(data) as opened:
        users = opened.users(account)
    tell_rows(("user", "policies", "access_keys", "created_at"), map(_fields, users), json=json, zone=zone)


def show(
    name: _Name, account: Account = "default", tz: Tz = None, data: Data = None, json: Json = False
) -> None:
    """Show a user with its policies and access keys.

    Examples:
        otpconv users show login-service
    """
    zone = zone_of(tz)
    with directory(data) as opened:
        user = opened.user(account, name)
    tell_members(_fields(user), json=json, zone=zone)


def delete(name: _Name, account: Account = "default", data: Data = None, json: Json = False) -> None:
    """Delete a user and its access keys for good.

    Examples:
        otpconv users delete login-service
    """
    with directory(data, _change("DeleteUser", account, name)) as opened:
        opened.delete("user", account, name)
    tell(f"user {name} deleted, with its access keys", {"user": name, "deleted": True}, json=json)


def attach(
    name: _Name, policy: Policy, account: Account = "default", data: Data = None, json: Json = False
) -> None:
    """Attach a policy to a user.

    Examples:
        otpconv users attach login-service OtpconvReportOnly
    """
    with directory(data, _change("AttachPolicy", account, name, policy)) as opened:
        opened.attach("user", account, name, policy)
        document = opened.policy(account, policy).document
        user = opened.user(account, name)
    caution_of_policy(document)
    tell(f"the user {name} has now: {', '.join(user.grants.names)}", _fields(user), json=json)


def detach(
    name: _Name, policy: Policy, account: Account = "default", data: Data = None, json: Json = False
) -> None:
    """Detach a policy from a user.

    Examples:
        otpconv users detach login-service OtpconvReportOnly
    """
    with directory(data, _change("DetachPolicy", account, name, policy)) as opened:
        opened.detach("user", account, name, policy)
        user = opened.user(account, name)
    left = ", ".join(user.grants.names) or "no policy, and may do nothing"
    tell(f"the user {name} has now: {left}", _fields(user), json=json)


for _command in (create, list_users, show, delete, attach, detach):
    add(app, _command.__name__.removesuffix("_users"), _command)


def _change(what: str, account: str, name: str, policy: str | None = None) -> Change:
    return Change(what, f"user {account}/{name}" + (f", policy {policy}" if policy else ""))


def _fields(user: "User") -> dict[str, object]:
    return {
        "user": user.name,
        "account": user.account_name,
        "account_id": user.account,
        "policies": user.grants.names,
        "access_keys": user.access_key_ids,
        "created_at": user.created_at,
    }

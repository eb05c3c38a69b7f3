"""`otpconv keys`: access keys, in the data folder; a running server sees changes within a second."""

import shlex
from typing import Annotated

import typer

from otpconv.audit import shown_key_id
from otpconv.cli import completion
from otpconv.cli.cautions import caution_of_policy
from otpconv.cli.manual import add
from otpconv.cli.options import Account, AnyAccount, Data, Json, Tz
from otpconv.cli.stores import Change, directory, key_store
from otpconv.cli.telling import tell, tell_members, tell_rows
from otpconv.cli.terminal import note
from otpconv.cli.zone import zone_of
from otpconv.errors import NotFound

#: What a user may do who was given nothing.
_DEFAULT_POLICY = "OtpconvReportOnly"

app = typer.Typer(no_args_is_help=True, help="Create, list, rotate, disable and delete access keys.")

_KeyId = Annotated[str, typer.Argument(metavar="ACCESS_KEY_ID", autocompletion=completion.key_ids)]


def create(
    name: Annotated[str, typer.Argument(metavar="USER", help="Created if it does not exist.")],
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="Policy to attach to the user, beside others. Without any it gets OtpconvReportOnly.",
            autocompletion=completion.policies,
        ),
    ] = None,
    account: Account = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """Create an access key and print it; its secret is not shown again. Creates a missing user and account.

    Examples:
        otpconv keys create login-service

        otpconv keys create grafana --policy OtpconvReadOnly --json
    """
    given = f", policy {policy}" if policy else ""
    change = Change("CreateAccessKey", f"user {account}/{name}{given}")
    with key_store(data, change) as store:
        key = store.create(account, name, policy, otherwise=_DEFAULT_POLICY)
        change.subject += f", key {key.access_key_id}"
    if policy:
        with directory(data) as opened:
            caution_of_policy(opened.policy(account, policy).document)
    tell_members({"AccessKeyId": key.access_key_id, "AccessKeySecret": key.secret}, json=json)


def rotate(
    name: Annotated[str, typer.Argument(metavar="USER", autocompletion=completion.users)],
    account: Account = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """Create a second access key for a user, to replace the first one without a gap.

    Both work until the old one is disabled. `keys list` shows when each was last used.

    Examples:
        otpconv keys rotate login-service
    """
    change = Change("RotateAccessKey", f"user {account}/{name}")
    with key_store(data, change) as store:
        own = [key for key in store.list() if (key.account_name, key.user) == (account, name)]
        if not own:
            raise NotFound(f"The user {name} has no access key. Create one: otpconv keys create {name}")
        # A user that has two is refused by the store, which says which is the older.
        key = store.create(account, name, None)
        change.subject += f", key {key.access_key_id}"
    old = own[0].access_key_id
    fields = {"AccessKeyId": key.access_key_id, "AccessKeySecret": key.secret, "Replaces": old}
    tell_members(fields, json=json)
    folder = f" --data {shlex.quote(str(data))}" if data else ""
    note(
        "roll the new key out, and watch in `otpconv keys list` that the old one is no longer used; then run:"
    )
    note(f"  otpconv keys disable {old}{folder}   (keys enable takes it back)")
    note(f"  otpconv keys delete {old}{folder}")


def list_keys(
    account: AnyAccount = None,
    tz: Tz = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """List the access keys of all accounts, or of one, without their secrets.

    Examples:
        otpconv keys list --data /var/lib/otpconv
    """
    zone = zone_of(tz)
    with key_store(data) as store:
        keys = [key for key in store.list() if account in {None, key.account_name}]
    rows = (
        {
            "AccessKeyId": key.access_key_id,
            "user": key.user,
            "account": key.account_name,
            "policies": key.policies,
            "active": key.active,
            "created_at": key.created_at,
            "last_used_at": key.last_used_at,
        }
        for key in keys
    )
    columns = ("AccessKeyId", "user", "account", "policies", "active", "last_used_at")
    tell_rows(columns, rows, json=json, zone=zone)


def disable(access_key_id: _KeyId, data: Data = None, json: Json = False) -> None:
    """Disable an access key; `enable` undoes this.

    Examples:
        otpconv keys disable LTAIKmD3oLJ0v1WcXn5rQ2yA
    """
    with key_store(data, _change("DisableAccessKey", access_key_id)) as store:
        store.set_active(access_key_id, active=False)
    _tell_done(access_key_id, "disabled", json=json)


def enable(access_key_id: _KeyId, data: Data = None, json: Json = False) -> None:
    """Enable a disabled access key.

    Examples:
        otpconv keys enable LTAIKmD3oLJ0v1WcXn5rQ2yA
    """
    with key_store(data, _change("EnableAccessKey", access_key_id)) as store:
        store.set_active(access_key_id, active=True)
    _tell_done(access_key_id, "enabled", json=json)


def delete(access_key_id: _KeyId, data: Data = None, json: Json = False) -> None:
    """Delete an access key for good; its user stays.

    Examples:
        otpconv keys delete LTAIKmD3oLJ0v1WcXn5rQ2yA
    """
    with key_store(data, _change("DeleteAccessKey", access_key_id)) as store:
        store.delete(access_key_id)
    _tell_done(access_key_id, "deleted", json=json)


for _command in (create, list_keys, rotate, disable, enable, delete):
    add(app, _command.__name__.removesuffix("_keys"), _command)


def _change(what: str, access_key_id: str) -> Change:
    return Change(what, f"key {shown_key_id(access_key_id)}".rstrip())


def _tell_done(access_key_id: str, what: str, *, json: bool) -> None:
    tell(f"{access_key_id} is {what}", {"AccessKeyId": access_key_id, what: True}, json=json)

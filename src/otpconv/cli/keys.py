"""`otpconv keys`: access keys, in the data folder; a running server sees changes within a second."""

from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from otpconv.cli.manual import add
from otpconv.cli.options import Data, Json
from otpconv.cli.terminal import output

app = typer.Typer(no_args_is_help=True, help="Create, list, disable and delete access keys.")

_KeyId = Annotated[str, typer.Argument(metavar="ACCESS_KEY_ID")]


def create(
    name: Annotated[str, typer.Argument(help="The user the key is for; made if there is none.")],
    policy: Annotated[str, typer.Option(help="What the user may do.")] = "AdministratorAccess",
    account: Annotated[
        str, typer.Option(help="The account the user is in; made if there is none.")
    ] = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """Make an access key and print it; its secret is not shown again.

    Examples:
        otpconv keys create login-service --policy OtpconvReportOnly

        otpconv keys create grafana --policy OtpconvReadOnly --json
    """
    store = _store(data)
    key = store.create(account, name, policy)
    store.close()
    fields = {"AccessKeyId": key.access_key_id, "AccessKeySecret": key.secret}
    if json:
        typer.echo(msgspec.json.encode(fields).decode())
    else:
        typer.echo("".join(f"{name}: {value}\n" for name, value in fields.items()), nl=False)


def list_keys(data: Data = None, json: Json = False) -> None:
    """List the access keys, without their secrets.

    Examples:
        otpconv keys list --data /var/lib/otpconv
    """
    store = _store(data)
    keys = store.list()
    store.close()
    if json:
        rows = [
            {
                "AccessKeyId": key.access_key_id,
                "user": key.user,
                "account": key.account_name,
                "policies": key.policies,
                "active": key.active,
                "created_at": key.created_at,
            }
            for key in keys
        ]
        typer.echo(msgspec.json.encode(rows).decode())
        return
    table = Table("AccessKeyId", "user", "account", "policies", "active")
    for key in keys:
        policies = ", ".join(key.policies)
        table.add_row(key.access_key_id, key.user, key.account_name, policies, "yes" if key.active else "no")
    output().print(table)


def disable(access_key_id: _KeyId, data: Data = None, json: Json = False) -> None:
    """Disable an access key; `enable` brings it back.

    Examples:
        otpconv keys disable LTAIKmD3oLJ0v1WcXn5rQ2yA
    """
    store = _store(data)
    store.set_active(access_key_id, active=False)
    store.close()
    _print_done(access_key_id, "disabled", json=json)


def enable(access_key_id: _KeyId, data: Data = None, json: Json = False) -> None:
    """Enable a disabled access key.

    Examples:
        otpconv keys enable LTAIKmD3oLJ0v1WcXn5rQ2yA
    """
    store = _store(data)
    store.set_active(access_key_id, active=True)
    store.close()
    _print_done(access_key_id, "enabled", json=json)


def delete(access_key_id: _KeyId, data: Data = None, json: Json = False) -> None:
    """Delete an access key for good.

    Examples:
        otpconv keys delete LTAIKmD3oLJ0v1WcXn5rQ2yA
    """
    store = _store(data)
    store.delete(access_key_id)
    store.close()
    _print_done(access_key_id, "deleted", json=json)


for _command in (create, list_keys, disable, enable, delete):
    add(app, _command.__name__.removesuffix("_keys"), _command)


def _print_done(access_key_id: str, what: str, *, json: bool) -> None:
    if json:
        typer.echo(msgspec.json.encode({"AccessKeyId": access_key_id, what: True}).decode())
    else:
        typer.echo(f"{access_key_id} is {what}")


def _store(data: Data) -> Any:  # noqa: ANN401 - a KeyStore, whose library may be missing
    # The server's libraries are not there in a client's installation.
    from otpconv.config import load
    from otpconv.service import open_key_store

    return open_key_store(load(data=data))

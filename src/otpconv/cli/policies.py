"""`otpconv policies`: RAM policies, which allow or deny actions to users and roles."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from otpconv.cli import completion
from otpconv.cli.cautions import caution_of_policy
from otpconv.cli.manual import add
from otpconv.cli.options import Account, Data, Json, Tz
from otpconv.cli.stores import Change, directory
from otpconv.cli.telling import tell, tell_rows
from otpconv.cli.zone import zone_of
from otpconv.errors import Misconfigured

if TYPE_CHECKING:
    from otpconv.access.directory import Policy

app = typer.Typer(no_args_is_help=True, help="Create, check, list and delete policies.")

_Name = Annotated[str, typer.Argument(metavar="POLICY", autocompletion=completion.policies)]


def create(
    name: _Name,
    document: Annotated[
        Path, typer.Option(metavar="FILE", help="The policy as JSON; - reads it from standard input.")
    ],
    account: Account = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """Create a policy from a RAM policy document. Creates the account if it does not exist.

    Examples:
        otpconv policies create OfficeOnly --document office-only.json

        otpconv policies create OfficeOnly --document - < office-only.json
    """
    text = _read(document)
    with directory(data, Change("CreatePolicy", f"policy {account}/{name}")) as opened:
        policy = opened.create_policy(account, name, text)
    caution_of_policy(text)
    tell(f"policy {name} created", _fields(policy), json=json)


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The policy as JSON; - reads standard input.")],
    json: Json = False,
) -> None:
    """Check a policy document without storing it.

    Warns about actions and condition keys that this server does not have, and suggests the nearest ones.

    Examples:
        otpconv policies check office-only.json
    """
    cautions = caution_of_policy(_read(file))
    tell(f"{file} is a policy", {"valid": True, "cautions": cautions}, json=json)


def list_policies(account: Account = "default", tz: Tz = None, data: Data = None, json: Json = False) -> None:
    """List the policies of an account, and the managed policies, which every account has.

    Examples:
        otpconv policies list
    """
    zone = zone_of(tz)
    with directory(data) as opened:
        policies = opened.policies(account)
    tell_rows(
        ("policy", "managed", "attached_to", "created_at"), map(_fields, policies), json=json, zone=zone
    )


def show(name: _Name, account: Account = "default", data: Data = None, json: Json = False) -> None:
    """Print the document of a policy unchanged.

    Examples:
        otpconv policies show OtpconvReportOnly
    """
    with directory(data) as opened:
        policy = opened.policy(account, name)
    tell(msgspec.json.format(policy.document), _fields(policy), json=json)


def delete(name: _Name, account: Account = "default", data: Data = None, json: Json = False) -> None:
    """Delete a policy that is not attached to any user or role.

    Examples:
        otpconv policies delete OfficeOnly
    """
    with directory(data, Change("DeletePolicy", f"policy {account}/{name}")) as opened:
        opened.delete_policy(account, name)
    tell(f"policy {name} deleted", {"policy": name, "deleted": True}, json=json)


for _command in (create, check, list_policies, show, delete):
    add(app, _command.__name__.removesuffix("_policies"), _command)


def _read(file: Path) -> str:
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"{file} can't be read as UTF-8 ({error}): give a policy document, JSON in UTF-8"
        ) from error


def _fields(policy: "Policy") -> dict[str, object]:
    return {
        "policy": policy.name,
        "managed": policy.managed,
        "attached_to": policy.attached_to,
        "document": msgspec.Raw(policy.document.encode()),
        "created_at": policy.created_at,
    }

"""`otpconv sign-in-link`."""

from typing import TYPE_CHECKING, Annotated

import typer

from otpconv.cli import completion
from otpconv.cli.options import Account, Data, Json
from otpconv.cli.stores import Change, key_store
from otpconv.cli.telling import tell
from otpconv.cli.terminal import note
from otpconv.clock import iso_8601, wall_clock
from otpconv.errors import Misconfigured, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otpconv.access.keys import AccessKey

_ADMINISTRATOR = "AdministratorAccess"


def sign_in_link(
    user: Annotated[
        str | None,
        typer.Argument(
            metavar="[USER]",
            help="The user to sign in. Default: the first administrator.",
            show_default=False,
            autocompletion=completion.users,
        ),
    ] = None,
    account: Account = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """Print a link that signs a user in to the pages of the running server.

    It works once, within an hour. Run it on the server's machine: it reads the data folder. Whoever has the
    link can do what the user may do, so send it to nobody else.

    Examples:
        otpconv sign-in-link

        otpconv sign-in-link olga --data /var/lib/otpconv
    """
    # The server's libraries are not there in a client's installation.
    from otpconv.access.sign_in_links import VALID_MS, SignInLinks, url_of_link
    from otpconv.config import load
    from otpconv.service import data_folder
    from otpconv.service.opening import open_sealer

    settings = load(data=data)
    url = data_folder.url_of_server(settings.data)
    if url is None:
        raise Misconfigured(
            f"no server runs on the data folder {settings.data}: start `otpconv serve`, or give the folder of"
            " the running server with --data DIR"
        )
    change = Change("CreateSignInLink", f"user {account}/{user}" if user else "the first administrator")
    now = wall_clock()
    with key_store(data, change) as store:
        key = _key_of(store.list(), account, user)
        change.subject = f"user {key.account_name}/{key.user}, key {key.access_key_id}"
        link = url_of_link(url, SignInLinks(open_sealer(settings)).issue(key.access_key_id, now))
    tell(link, {"url": link, "user": key.user, "valid_until": iso_8601(now + VALID_MS)}, json=json)
    note(f"the link signs {key.user} in, once, within an hour")


def _key_of(keys: "Sequence[AccessKey]", account: str, user: str | None) -> "AccessKey":
    """Return an active key of a user, or of the first administrator of the account.

    Raises:
        NotFound: there is none.
    """
    for key in keys:
        named = key.user == user if user else _ADMINISTRATOR in key.policies
        if key.active and key.account_name == account and named:
            return key
    whose = (
        f"The user {user} has no active access key" if user else "No active access key has " + _ADMINISTRATOR
    )
    raise NotFound(f"{whose} in the account {account}. Create one: otpconv keys create {user or 'NAME'}")

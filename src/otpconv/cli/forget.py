"""`otpconv forget`."""

from typing import Annotated

import typer

from otpconv.cli.options import Account, Data, Json
from otpconv.cli.stores import Change, audited, key_store
from otpconv.cli.telling import tell


def forget(
    number: Annotated[str, typer.Option(metavar="NUMBER", help="A phone number, e.g. +34600000001.")],
    account: Account = "default",
    data: Data = None,
    json: Json = False,
) -> None:
    """Delete everything about one phone number from an account. Rates stay.

    Also works while a server runs. The messages are gone from every answer and from the files, and a rebuild
    does not bring them back. Backups still have them, and so does the application that reports. Messages
    reported later are new messages; run the command again for them.

    The audit trail records that a number was deleted, but not which one.

    Examples:
        otpconv forget --number +34600000001

        otpconv forget --number +34600000001 --account shop --data /var/lib/otpconv
    """
    # The server's libraries are not there in a client's installation.
    from otpconv.config import load
    from otpconv.phone import parse
    from otpconv.service import deleting
    from otpconv.service.numbers import open_number_hash

    settings = load(data=data)
    with audited(settings.data, Change("ForgetNumber", f"account {account}")) as change:
        phone = parse(number, settings.region)
        with key_store(data) as store:
            of = store.account(account)
        hashed = open_number_hash(settings)(of, phone.e164)
        count = deleting.forget(settings, of, hashed)
        change.subject += f", {count:,} messages"
    tell(f"{count:,} messages to the number are deleted", {"deleted": count}, json=json)

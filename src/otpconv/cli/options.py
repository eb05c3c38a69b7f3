"""Options that several sub-commands share."""

from pathlib import Path
from typing import Annotated

import typer

from otpconv.cli import completion

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The data folder of the server. [env: OTPCONV_DATA; default: ./otpconv-data]",
        show_default=False,
    ),
]
Ledger = Annotated[
    str | None,
    typer.Option(
        "--ledger",
        metavar="URL",
        help="Keep everything in this PostgreSQL: postgresql://USER@HOST/DATABASE, without a password, which"
        " other users could see. [env: OTPCONV_LEDGER; default: SQLite in the data folder]",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Endpoint = Annotated[
    str, typer.Option("--endpoint", metavar="URL", envvar="OTPCONV_ENDPOINT", help="The URL of the server.")
]
AccessKeyId = Annotated[
    str | None,
    typer.Option(
        "--access-key-id",
        metavar="ID",
        help="The AccessKeyId. [env: OTPCONV_ACCESS_KEY_ID]",
        show_default=False,
    ),
]
AccessKeySecret = Annotated[
    str | None,
    typer.Option(
        "--access-key-secret",
        metavar="SECRET",
        help="Its secret. Prefer the variable: other users of the machine can see options, but not variables."
        " [env: OTPCONV_ACCESS_KEY_SECRET]",
        show_default=False,
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        metavar="FILE",
        help="File with ID:SECRET, instead of the two options above."
        " [env: OTPCONV_KEY_FILE; default: otpconv-data/first-key]",
        show_default=False,
    ),
]

DEFAULT_ENDPOINT = "http://127.0.0.1:8080"
#: None reads the environment, and then the first key of a server in this folder.
DEFAULT_KEY_FILE = None
Region = Annotated[
    str,
    typer.Option(
        metavar="CC",
        help="Country of numbers without a country code, e.g. CN.",
        show_default=False,
    ),
]
Tz = Annotated[
    str | None,
    typer.Option(
        "--tz",
        metavar="ZONE",
        help="Time zone of days, of times without an offset, and of times that are shown, e.g. Europe/Berlin."
        " [env: OTPCONV_TZ; default: UTC]",
        show_default=False,
        autocompletion=completion.zones,
    ),
]
Account = Annotated[
    str,
    typer.Option("--account", metavar="NAME", help="The account.", autocompletion=completion.accounts),
]
Policy = Annotated[
    str,
    typer.Argument(
        metavar="POLICY",
        help="A managed policy, or one of the account.",
        autocompletion=completion.policies,
    ),
]
#: As `Account`, for a command that takes all accounts unless one is given.
AnyAccount = Annotated[
    str | None,
    typer.Option(
        "--account",
        metavar="NAME",
        help="The account.",
        show_default=False,
        autocompletion=completion.accounts,
    ),
]

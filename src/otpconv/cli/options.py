"""Options that several sub-commands share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder that holds all state. [env: OTPCONV_DATA; default: ./otpconv-data]",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Endpoint = Annotated[
    str, typer.Option("--endpoint", metavar="URL", envvar="OTPCONV_ENDPOINT", help="The server to talk to.")
]
AccessKeyId = Annotated[
    str | None,
    typer.Option(
        "--access-key-id",
        metavar="ID",
        help="Who is calling. [env: OTPCONV_ACCESS_KEY_ID]",
        show_default=False,
    ),
]
AccessKeySecret = Annotated[
    str | None,
    typer.Option(
        "--access-key-secret",
        metavar="SECRET",
        help="Better given as the variable, which other users of the machine do not see."
        " [env: OTPCONV_ACCESS_KEY_SECRET]",
        show_default=False,
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        metavar="FILE",
        help="File with ID:SECRET, in place of the key."
        " [env: OTPCONV_KEY_FILE; default: otpconv-data/first-key]",
        show_default=False,
    ),
]

DEFAULT_ENDPOINT = "http://127.0.0.1:8080"
#: None reads what the environment says, and then the first key of a server in this folder.
DEFAULT_KEY_FILE = None
Region = Annotated[
    str,
    typer.Option(
        metavar="CC",
        help="Read numbers without country code as national numbers of this country, e.g. CN.",
        show_default=False,
    ),
]

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
    typer.Option("--access-key-id", metavar="ID", envvar="OTPCONV_ACCESS_KEY_ID", help="Who is calling."),
]
AccessKeySecret = Annotated[
    str | None,
    typer.Option(
        "--access-key-secret",
        metavar="SECRET",
        envvar="OTPCONV_ACCESS_KEY_SECRET",
        help="Better given as the variable, which other users of the machine do not see.",
    ),
]
KeyFile = Annotated[
    Path,
    typer.Option(
        "--key-file",
        metavar="FILE",
        envvar="OTPCONV_KEY_FILE",
        help="File with ID:SECRET, read when no key is given otherwise.",
    ),
]

DEFAULT_ENDPOINT = "http://127.0.0.1:8080"
DEFAULT_KEY_FILE = Path("otpconv-data/first-key")

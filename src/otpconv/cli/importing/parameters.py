"""The parameters of `otpconv import`."""

from pathlib import Path
from typing import Annotated

import typer

from otpconv.cli.importing import profile
from otpconv.cli.importing.run import Format


def _profiles(incomplete: str) -> list[str]:
    return [name for name in profile.names() if name.startswith(incomplete)]


From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="PROFILE",
        help="What kind of file it is: a name of --list-profiles, or the path of a profile (TOML). Options"
        " replace what it says.",
        autocompletion=_profiles,
        show_default=False,
    ),
]
ListProfiles = Annotated[bool, typer.Option("--list-profiles", help="List the profiles, and import nothing.")]
File = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE", help="CSV or NDJSON, plain or gzip; - reads standard input.", show_default=False
    ),
]
FileFormat = Annotated[
    Format | None, typer.Option("--format", help="Default: by the first character.", show_default=False)
]
Constants = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Set a field of every row to a value; repeatable. It makes no message of a row that is only a"
        " conversion, and delivered=true needs a conversion_time in the row.",
    ),
]
Renamed = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="NAME=COLUMN", help="Read a field from this column; repeatable."),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="COLUMN=VALUE",
        help="Import only matching rows. Repeatable: several values of one column are alternatives.",
    ),
]
TrueWords = Annotated[
    list[str] | None,
    typer.Option("--true", metavar="WORD", help="A word that means delivered=true; repeatable."),
]
FalseWords = Annotated[
    list[str] | None,
    typer.Option("--false", metavar="WORD", help="A word that means delivered=false; repeatable."),
]
TimeFormat = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT", help='Format of times, as for strptime, e.g. "%d/%m/%Y %H:%M".', show_default=False
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        metavar="CHAR",
        help="Character between columns. Default: the best of , ; | and tab.",
        show_default=False,
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Encoding, e.g. gb18030, cp1252. Default: by the byte order mark, else UTF-8.",
        show_default=False,
    ),
]
RejectsPath = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="File for rejected rows. Default: FILE.rejects.ndjson.", show_default=False
    ),
]
Restart = Annotated[bool, typer.Option("--restart", help="Start again at the first row.")]

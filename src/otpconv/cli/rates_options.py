"""The options of `otpconv rates`."""

from pathlib import Path
from typing import Annotated

import typer

from otpconv.cli import completion

Picture = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="With --plot: the .png or .svg file to write.")
]
Start = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Start of the window, e.g. yesterday, 'monday 9:30', 7d or ISO 8601; default: a day before end.",
    ),
]
End = Annotated[str | None, typer.Option(metavar="TIME", help="End of the window, as --start; default: now.")]
By = Annotated[
    str | None,
    typer.Option(
        help="Split by country, carrier, provider, template, sender, channel, access_key; comma-separated.",
        autocompletion=completion.dimensions,
    ),
]
Interval = Annotated[
    str | None,
    typer.Option(help="Split by time: 1m, 5m, 15m, 1h or 1d.", autocompletion=completion.intervals),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="NAME=VALUE",
        help="Only messages with this value of a dimension; repeatable.",
        autocompletion=completion.conditions,
    ),
]
Level = Annotated[
    str | None,
    typer.Option(
        help="The unit to count: message, first_attempt or session.", autocompletion=completion.levels
    ),
]
Compare = Annotated[
    str | None,
    typer.Option(
        help="Compare with the day or week before, or the previous window: day, week or previous.",
        autocompletion=completion.comparisons,
    ),
]
Order = Annotated[
    str | None,
    typer.Option(
        help="Column to sort by, e.g. -requested, rate, change, p50_ms; a minus puts the largest first."
        " Default: by name, or with --top -requested.",
        autocompletion=completion.orders,
    ),
]
Top = Annotated[
    int | None, typer.Option(help="Show this many groups, the first by --order, and one row for all others.")
]
MinRequested = Annotated[
    int | None, typer.Option(help="Put groups with fewer requested messages into the row for all others.")
]
WithoutRanges = Annotated[
    bool,
    typer.Option(
        "--without-ranges",
        help="Also show the rate without the messages to number ranges that look like fraud.",
    ),
]
Plot = Annotated[bool, typer.Option("--plot", help="Draw the rates, in the terminal or to FILE.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Parquet = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write a Parquet file, with timestamps and with rates as decimals."),
]
Wide = Annotated[
    bool, typer.Option("--wide", help="Show all columns and whole names, however wide the terminal is.")
]
Watch = Annotated[
    bool,
    typer.Option(
        "--watch", help="Ask again every few seconds, until Ctrl-C. With --json: one line for each answer."
    ),
]

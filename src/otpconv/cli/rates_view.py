"""What `otpconv rates` shows a person: the rates as a table or a drawing, and what they leave out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from rich.console import RenderableType
from rich.text import Text

from otpconv.cli.characters import one_line
from otpconv.cli.plot import plot_lines
from otpconv.cli.rates_points import points_of
from otpconv.cli.rates_table import percentage, rates_table
from otpconv.cli.zone import local, zoned
from otpconv.model import OTHER
from otpconv.money import amount_text

_Answer = Mapping[str, Any]
#: How many contradictions between a change and the change with the same mix are explained below the table.
_CONTRADICTIONS = 3
#: Characters of a drawing where nothing limits it.
_PLOT_WIDTH = 96


class View(Struct, frozen=True):
    """How to show an answer.

    Attributes:
        dimensions: of the question.
        zone: the time zone of the times.
        order: the question's order; empty for none.
        plot: draw the rates, instead of a table.
        width: characters of the terminal; None shows everything.
    """

    dimensions: Sequence[str]
    zone: ZoneInfo
    order: str = ""
    plot: bool = False
    width: int | None = None

    def parts(self, answer: _Answer) -> Iterator[RenderableType]:
        """Yield the parts of an answer, from top to bottom."""
        if self.plot:
            yield title(answer, self.zone)
            points = points_of(answer["rows"], self.dimensions, answer["end"])
            for line in plot_lines(points, self.zone, self.width or _PLOT_WIDTH):
                yield Text(one_line(line), no_wrap=True, overflow="ignore")
            return
        shown = rates_table(answer, self.dimensions, self.zone, width=self.width, order=self.order)
        yield title(answer, self.zone)
        yield shown.table
        if shown.dropped:
            yield f"too wide to show: {', '.join(shown.dropped)} (--wide shows all)"
        yield from self._notes(answer)

    def _notes(self, answer: _Answer) -> Iterator[str]:
        if (maturity := answer["maturity"]) is not None:
            learned = {"filters": "of these", "account": "of the account"}.get(maturity["scope"])
            source = f"learned from {maturity['learned_from']:,} {learned}" if learned else "not learned yet"
            yield f"pending: younger than {maturity['horizon_ms'] / 60_000:.1f} min, {source}"
        for row in [row for row in answer["rows"] if "contradiction" in row][:_CONTRADICTIONS]:
            names = [row[name] or "unknown" for name in self.dimensions if "other" not in row]
            yield ": ".join(filter(None, [one_line(" / ".join(names)), row["contradiction"]]))
        yield from self._costs(answer["rows"])
        yield f"{answer['unmatched']:,} unmatched"
        if answer["folded"]:
            yield f"{answer['folded']:,} messages are counted as {OTHER}: too many values in a day"
        if answer["lag"]:
            lag = f"{answer['lag']:,} acknowledged reports are not in these rates yet"
            yield f"the server is catching up: {lag}"
        if answer["self_reported_left_out"]:
            yield f"{answer['self_reported_left_out']:,} older self-reported rates are left out"
        for reported in answer["self_reported"]:
            at = zoned(reported["report_time"], self.zone)
            yield f"self-reported at {at}: {percentage(reported['rate'])}"

    def _costs(self, rows: Sequence[_Answer]) -> Iterator[str]:
        """Say which part of the costs is from the price list, and what they lack."""
        listed: Counter[str] = Counter()
        for row in rows:
            listed.update({cost["currency"]: cost["cost_listed"] for cost in row.get("costs", ())})
        if amounts := [f"{amount_text(value)} {currency}" for currency, value in listed.items() if value]:
            yield f"from the price list: {' + '.join(amounts)}"
        if any(row.get("costs") for row in rows) and (missing := sum(row["unpriced"] for row in rows)):
            yield f"{missing:,} messages have no price and are in no cost: otpconv prices import"


def title(answer: _Answer, zone: ZoneInfo) -> str:
    """Return what an answer is about: its window, in a time zone, and what it counts."""
    return f"{local(answer['start'], zone)} to {zoned(answer['end'], zone)}: {answer['denominator']}"

"""Times as logs write them, in ms UTC. What could be two times is never guessed."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from otpconv.cli.importing import time_forms
from otpconv.cli.importing.columns import says_utc
from otpconv.errors import InvalidRequest, Misconfigured

ASSUMED_UTC = "a time without an offset was read as UTC: give --tz ZONE if it is not"
MIDNIGHT = "a date without a time of day was read as midnight"
TWICE = "a local time that exists twice, when clocks are set back, was read as the earlier one"

#: The latest time, ms: the end of 9998, which every calendar function supports.
_LATEST_MS = 253_370_764_800_000
#: Names of zones that mean one offset everywhere, h: those of RFC 2822 without CST, which is China's as well.
_ZONES = {"UTC": 0, "GMT": 0, "UT": 0, "Z": 0, "EST": -5, "EDT": -4, "CDT": -5, "MST": -7, "MDT": -6}
_ZONES |= {"PST": -8, "PDT": -7}

#: Gives the rows of the file once more, from the beginning.
Survey = Callable[[], Iterable[Mapping[str, object]]]


class Times:
    """Reads the times of one file."""

    def __init__(self, zone: str | None, pattern: str | None, survey: Survey | None) -> None:
        """Read times by these options.

        Args:
            zone: the time zone of times without an offset; None: UTC.
            pattern: how all times are written, as for `strptime`; None: in any form that is certain.
            survey: gives the rows again, to find out whether day or month comes first; None: can't.

        Raises:
            Misconfigured: the zone does not exist, or the pattern does not read a whole date.
        """
        self._zone = None if zone is None else _zone(zone)
        self._pattern = None if pattern is None else _checked(pattern)
        self._survey = survey
        self._orders: dict[tuple[str, str], set[str]] | None = None

    def read(self, value: object, name: str, column: str, notes: list[str]) -> int:
        """Return a time in ms UTC, and add to `notes` what had to be assumed.

        Args:
            value: a text or a number.
            name: our name of the column, for the error.
            column: the file's name of it.
            notes: is added to.

        Raises:
            InvalidRequest: it is not a time, or not a certain one.
            Misconfigured: only `--time-format` can tell what the times of this file mean.
        """
        text = str(value).strip()
        try:
            if self._pattern is not None and isinstance(value, str):
                moment: datetime | int = datetime.strptime(text, self._pattern)  # noqa: DTZ007
            else:
                moment = self._moment(text, name, column)
            if isinstance(moment, datetime):
                if ":" not in text and moment.time() == datetime.min.time():
                    notes.append(MIDNIGHT)
                moment = round(self._placed(moment, name, column, notes).timestamp() * 1000)
        except (ValueError, OverflowError):
            moment = -1
        if not 0 <= moment <= _LATEST_MS:
            raise InvalidRequest(self._explain(text, name))
        return moment

    def _moment(self, text: str, name: str, column: str) -> datetime | int:
        """Return a time: in ms, or as a date, which has an offset only if the text has.

        Raises:
            ValueError: it is not a time.
        """
        if text[4:5] == "-":
            try:
                return datetime.fromisoformat(text)
            except ValueError:
                pass  # e.g. with a blank before the offset
        if text[:5].isdecimal():
            number = time_forms.time_of(text)
            if number is not None:
                return number
        for pattern in time_forms.DATES:
            found = pattern.match(text)
            rest = time_forms.REST.fullmatch(text, found.end()) if found else None
            if found and rest:
                return self._parsed(text, found.groupdict(), rest, (name, column))
        raise ValueError

    def _parsed(
        self, text: str, date: dict[str, str | None], rest: re.Match[str], names: tuple[str, str]
    ) -> datetime:
        if date.get("mark"):
            day, month = self._ordered(text, date, rest, names)
        elif date.get("name"):
            day = int(date["day"] or 0)
            month = time_forms.month(str(date["name"]))
        else:
            day, month = int(date["day"] or 0), int(date["month"] or 0)
        hour = int(rest["hour"] or 0)
        if rest["half"]:
            if not 1 <= hour <= time_forms.NOON:
                raise ValueError
            hour = hour % time_forms.NOON + (time_forms.NOON if rest["half"][0] in "pP" else 0)
        micros = int((rest["fraction"] or "")[:6].ljust(6, "0"))
        moment = datetime(  # noqa: DTZ001 - the zone follows
            int(date["year"] or 0),
            month,
            day,
            hour,
            int(rest["minute"] or 0),
            int(rest["second"] or 0),
            micros,
        )
        zone = rest["zone"]
        return moment if zone is None else moment.replace(tzinfo=self._named(zone, moment, names[0]))

    def _ordered(
        self, text: str, date: dict[str, str | None], rest: re.Match[str], names: tuple[str, str]
    ) -> tuple[int, int]:
        """Return day and month of a date that has either first, as the rows of the file together tell."""
        a, b, mark = int(date["a"] or 0), int(date["b"] or 0), str(date["mark"])
        if a > time_forms.NOON or a == b:
            return a, b
        if b > time_forms.NOON:
            return b, a
        if self._orders is None:
            self._orders = {} if self._survey is None else time_forms.find_orders(self._survey())
        found = self._orders.get((names[1], mark), set())
        # Nowhere is a date with dots written with the month first.
        if found == {"day"} or (mark == "." and not found):
            return a, b
        if found == {"month"}:
            return b, a
        first, second = (time_forms.suggest(order, mark, rest) for order in ("%d{0}%m", "%m{0}%d"))
        question = f"{names[0]} is {text!r}: is the day or the month first?"
        if found:
            raise InvalidRequest(
                f"{question} Other rows of the column have the day first, and others the month. Import the"
                f' rows separately, with --time-format "{first}" and --time-format "{second}".'
            )
        raise Misconfigured(
            f'{question} No other row shows it. Give --time-format "{first}" or --time-format "{second}"'
        )

    def _named(self, zone: str, moment: datetime, name: str) -> tzinfo:
        found = time_forms.OFFSET.fullmatch(zone)
        if found is not None:
            offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
            return timezone(-offset if found["sign"] == "-" else offset)
        hours = _ZONES.get(zone.upper())
        if hours is not None:
            return timezone(timedelta(hours=hours))
        if self._zone is not None:
            placed = next(
                (
                    at
                    for at in (moment.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
                    if at.tzname() == zone
                ),
                None,
            )
            if placed is not None:
                return timezone(placed.utcoffset() or timedelta())
        raise InvalidRequest(
            f"{name} has the zone {zone!r}, which is not known or has several meanings: give --tz with the"
            " zone that it means, e.g. --tz Asia/Shanghai for CST."
        )

    def _placed(self, moment: datetime, name: str, column: str, notes: list[str]) -> datetime:
        """Return the time with its zone."""
        if moment.tzinfo is not None:
            return moment
        if self._zone is None:
            if not says_utc(column):
                notes.append(ASSUMED_UTC)
            return moment.replace(tzinfo=UTC)
        placed = moment.replace(tzinfo=self._zone)
        if placed.utcoffset() != placed.replace(fold=1).utcoffset():
            if placed.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None) != moment:
                raise InvalidRequest(
                    f"{name} {moment} does not exist in {self._zone}, where clocks are set forward then:"
                    " check --tz and the time."
                )
            notes.append(TWICE)
        return placed

    def _explain(self, text: str, name: str) -> str:
        shown = f"{name} is {text[:40]!r}"
        if self._pattern is not None:
            return f"{shown}, which is not written like --time-format {self._pattern!r}."
        if re.fullmatch(r"[0-9][.,][0-9]+[eE]\+?[0-9]+", text):
            return f"{shown}: a spreadsheet shortened it. Format the column as a number, and export it again."
        return (
            f"{shown}, which is not a known time format like 2026-01-31T12:00:00Z or milliseconds since"
            ' 1970: describe it with --time-format, e.g. --time-format "%d.%m.%y %H:%M".'
        )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Misconfigured(
            f"--tz {name!r} is not a time zone; use a name like Europe/Berlin, Asia/Shanghai or UTC"
        ) from None


def _checked(pattern: str) -> str:
    """Return the pattern if it reads what it writes, with a whole date."""
    if "%Z" in pattern.replace("%%", ""):
        raise Misconfigured(
            "--time-format can't read names of time zones (%Z): leave %Z out, or write the name itself"
            " and give --tz"
        )
    example = datetime(2026, 11, 20, 22, 1, 2, tzinfo=UTC)
    try:
        read = datetime.strptime(example.strftime(pattern), pattern)  # noqa: DTZ007 - only its date counts
    except ValueError as error:
        raise Misconfigured(
            f"--time-format {pattern!r} can't be used ({error}): use the codes of strptime,"
            " e.g. %d/%m/%Y %H:%M:%S"
        ) from None
    if read.date() != example.date():
        raise Misconfigured(
            f"--time-format {pattern!r} does not read a whole date; use e.g. %d/%m/%Y %H:%M:%S"
        )
    return pattern

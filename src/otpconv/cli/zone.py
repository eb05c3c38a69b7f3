"""The time zone in which commands read and show times: `--tz`, else the setting `tz`, else UTC."""

import tomllib
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from otpconv.delivery import environment
from otpconv.errors import InvalidRequest, Misconfigured
from otpconv.times import local_minute, parse_zone


def zone_of(tz: str | None) -> ZoneInfo:
    """Return the time zone of a command.

    Args:
        tz: the name given by `--tz`; None reads the setting: `OTPCONV_TZ`, or `tz` in `otpconv.toml`.

    Raises:
        Misconfigured: the time zone is unknown, or the file can't be read.
    """
    name, origin = (tz, "--tz") if tz is not None else _setting()
    try:
        return parse_zone("UTC" if name is None else name)
    except InvalidRequest as error:
        raise Misconfigured(f"{error.text} It is set by {origin}.") from None


def name_of_zone(tz: str | None) -> str | None:
    """Return the name of the time zone that is given by `--tz` or set, or None where neither is.

    Raises:
        Misconfigured: the file with the settings can't be read.
    """
    return tz if tz is not None else _setting()[0]


def local(time_ms: int, zone: ZoneInfo) -> str:
    """Format a time (ms UTC) to the minute in a time zone; the zone itself must be named beside it.

    When the clocks go back, an hour happens twice. Its times have their offset, e.g. `2026-10-25 02:30+0200`.
    """
    moment = datetime.fromtimestamp(time_ms / 1000, zone)
    twice = moment.utcoffset() != moment.replace(fold=1 - moment.fold).utcoffset()
    return local_minute(time_ms, zone) + (moment.strftime("%z") if twice else "")


def zoned(time_ms: int, zone: ZoneInfo) -> str:
    """Format a time (ms UTC) to the minute in a time zone, with the zone's name."""
    return f"{local(time_ms, zone)} {zone.key}"


def is_midnight(time_ms: int, zone: ZoneInfo) -> bool:
    """Return whether a day of the zone begins at a time (ms UTC); some days have no midnight."""
    moment = datetime.fromtimestamp(time_ms / 1000, zone)
    before = datetime.fromtimestamp(time_ms / 1000 - 1, zone)
    return before.date() < moment.date()


def _setting() -> tuple[str | None, str]:
    """Return the name that is set, and where."""
    name = environment.tz()
    if name is not None:
        return name, "OTPCONV_TZ"
    file = Path(environment.config_file() or "otpconv.toml")
    if not file.is_file():
        return None, ""
    try:
        in_file = tomllib.loads(file.read_text(encoding="utf-8-sig")).get("tz")
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{file} can't be read as TOML ({error}): correct the file") from None
    return None if in_file is None else str(in_file), f"tz in {file}"

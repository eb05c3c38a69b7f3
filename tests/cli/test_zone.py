"""The time zone of commands: given, set or UTC; always named, and right when the clocks change."""

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, strategies as st

from cli.commands import client_of, otpconv
from otpconv.cli.local_server import LocalServer
from otpconv.cli.zone import is_midnight, local, zone_of, zoned
from otpconv.errors import Misconfigured
from otpconv.rates import parse_query
from otpconv.times import parse_time

ZONES = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
BERLIN = ZoneInfo("Europe/Berlin")
HOUR_MS = 3_600_000


def ms(iso: str, zone: ZoneInfo = BERLIN) -> int:
    return round(datetime.fromisoformat(iso).replace(tzinfo=zone).timestamp() * 1000)


@given(st.integers(315_532_800, 2_082_758_400), ZONES)
def test_a_time_that_is_shown_is_read_as_the_same_minute(second: int, zone: ZoneInfo) -> None:
    minute = second // 60 * 60_000
    assert parse_time(local(minute + 59_999, zone), now=0, tz=zone) == minute
    assert zoned(minute, zone).endswith(f" {zone.key}")


def test_an_hour_that_happens_twice_has_its_offset() -> None:
    first = ms("2026-10-25T02:30")
    assert local(first, BERLIN) == "2026-10-25 02:30+0200"
    assert local(first + HOUR_MS, BERLIN) == "2026-10-25 02:30+0100"
    assert local(first + 2 * HOUR_MS, BERLIN) == "2026-10-25 03:30"
    assert is_midnight(ms("2026-10-25T00:00"), BERLIN)
    assert not is_midnight(ms("2026-10-25T00:00", ZoneInfo("UTC")), BERLIN)


@pytest.mark.parametrize(("today", "hours"), [("2026-03-30", 23), ("2026-10-26", 25), ("2026-07-01", 24)])
@pytest.mark.parametrize("start", ["yesterday", "1 day before"])
def test_yesterday_is_the_whole_day_of_the_zone(today: str, hours: int, start: str) -> None:
    now = ms(f"{today}T11:00")
    given_ = {"start": start, "end": "today", "tz": "Europe/Berlin"}
    if start != "yesterday":
        given_["start"] = local(ms(f"{today}T00:00") - hours * HOUR_MS, BERLIN)
    query = parse_query(given_.items(), now)
    assert (query.end, query.end - query.start) == (ms(f"{today}T00:00"), hours * HOUR_MS)


def test_the_option_goes_before_the_variable_and_the_variable_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OTPCONV_TZ", raising=False)
    assert zone_of(None) == ZoneInfo("UTC")
    (tmp_path / "otpconv.toml").write_text('tz = "Asia/Shanghai"\n')
    assert zone_of(None) == ZoneInfo("Asia/Shanghai")
    monkeypatch.setenv("OTPCONV_TZ", "Europe/Berlin")
    assert zone_of(None) == BERLIN
    assert zone_of("America/New_York") == ZoneInfo("America/New_York")
    monkeypatch.setenv("OTPCONV_TZ", "Berlin")
    with pytest.raises(Misconfigured, match=r"'Berlin'.*set by OTPCONV_TZ"):
        zone_of(None)


def test_every_command_with_times_names_its_zone(server: LocalServer) -> None:
    data = ("--data", server.data)
    rates = otpconv("rates", "--tz", "Asia/Kolkata", "--interval", "1h", **client_of(server))
    assert " Asia/Kolkata: messages requested" in rates.stdout.splitlines()[0]
    for words in (("keys", "list"), ("users", "list"), ("policies", "list"), ("users", "show", "admin")):
        assert "UTC" in otpconv(*words, *data).stdout
        assert "Europe/Berlin" in otpconv(*words, *data, tz="Europe/Berlin").stdout
        assert "Asia/Kolkata" in otpconv(*words, *data, "--tz", "Asia/Kolkata", tz="Europe/Berlin").stdout
    refused = otpconv("keys", "list", *data, "--tz", "Nowhere")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_a_time_that_is_given_is_of_the_zone(server: LocalServer) -> None:
    words = ("access", "explain", "--user", "admin", "--action", "otpconv:QueryRates", "--data", server.data)
    at = ("--at", "2026-07-01 12:00")
    there = json.loads(otpconv(*words, *at, "--tz", "Europe/Berlin", "--json").stdout)["context"]
    here = json.loads(otpconv(*words, "--at", "2026-07-01 10:00", "--json").stdout)["context"]
    assert there == here
    reported = otpconv(
        *("report", "in-berlin", "--conversion-time", "2026-07-01 12:00", "--tz", "Europe/Berlin"),
        **client_of(server),
    )
    assert reported.stdout == "OK\n", reported.stderr

"""The times of import files: any form that is certain, and no guess where two are possible."""

import shlex
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from cli.reading import Read, read
from otpconv.cli.importing.times import ASSUMED_UTC, MIDNIGHT, TWICE
from otpconv.errors import Misconfigured

YEARS = (datetime(2010, 1, 1), datetime(2060, 1, 1))  # noqa: DTZ001 - of any zone
MOMENTS = st.datetimes(YEARS[0], YEARS[1]).map(lambda moment: moment.replace(microsecond=0))
OFFSETS = st.integers(-12 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
#: Any zone, with and without a change of clocks, and with half and quarter hours.
ZONES = st.sampled_from(
    [
        "UTC",
        "Asia/Shanghai",
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
    ]
)
#: Forms that are certain in every row by themselves.
LOCAL_FORMS = (
    *("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S", "%d.%m.%Y %H:%M:%S"),
    *("%d-%b-%Y %H:%M:%S", "%d %B %Y %H:%M:%S", "%b %d, %Y %I:%M:%S %p", "%a, %d %b %Y %H:%M:%S"),
    *("%Y年%m月%d日 %H:%M:%S", "%Y-%m-%d %I:%M:%S %p", "%a %b %d %Y %H:%M:%S"),
)
OFFSET_FORMS = ("%z", " %z", " GMT%z", " UTC%z")


def times(*texts: str, **options: str | bool | None) -> Read:
    rows = "".join(f'm{n},"{text}",acme\n' for n, text in enumerate(texts))
    return read(f"message_id,requested_at,provider\n{rows}", **options)  # type: ignore[arg-type]


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def requested_at(found: Read) -> list[int]:
    assert found.rejects == {}
    return [message["requested_at"] for message in found.messages]


@given(MOMENTS, OFFSETS, st.sampled_from(LOCAL_FORMS), st.sampled_from(OFFSET_FORMS))
def test_a_time_with_an_offset_is_read_in_every_form(
    moment: datetime, offset: timezone, form: str, end: str
) -> None:
    aware = moment.replace(tzinfo=offset)
    if form == "%Y%m%d%H%M%S":
        form = "%Y%m%dT%H%M%S"  # ISO 8601; digits alone have no offset
        end = "%z"
    found = times(aware.strftime(form + end))
    if form != "%Y%m%dT%H%M%S":
        assert requested_at(found) == [ms(aware)]
        assert found.notes == []


@given(MOMENTS, ZONES, st.sampled_from(LOCAL_FORMS))
def test_a_time_without_an_offset_is_read_in_the_zone_given(moment: datetime, zone: str, form: str) -> None:
    found = times(moment.strftime(form), tz=zone)
    aware = moment.replace(tzinfo=ZoneInfo(zone))
    if aware.astimezone(UTC).astimezone(aware.tzinfo).replace(tzinfo=None) != moment:
        assert "does not exist" in found.rejects[2]
    else:
        assert requested_at(found) == [ms(aware)]
        assert ASSUMED_UTC not in found.notes


@given(MOMENTS)
def test_rfc_2822_unix_times_and_days_of_a_spreadsheet_are_the_same_time(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    seconds = ms(aware) // 1000
    days = (aware - datetime(1899, 12, 30, tzinfo=UTC)) / timedelta(days=1)
    texts = [
        format_datetime(aware),
        aware.isoformat(),
        f"{seconds}",
        f"{seconds}.0",
        f"{seconds}000",
        f"{seconds}000000",
    ]
    assert requested_at(times(*texts, f"{days:.7f}")) == [seconds * 1000] * 7


def test_a_time_without_an_offset_is_utc_and_the_assumption_is_noted() -> None:
    found = times("2026-11-20 22:00:00", "2026-11-20T22:00:00Z", "2026-11-20")
    assert found.notes == [ASSUMED_UTC, MIDNIGHT, ASSUMED_UTC]
    data = "message_id,PublishTimeUTC,provider\nm,2026-11-20 22:00:00,a\n"
    assert read(data).notes == []  # the column says so


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("UTC", 0),
        ("GMT", 0),
        ("Z", 0),
        ("PDT", -7),
        ("PST", -8),
        ("EST", -5),
        ("EDT", -4),
        ("GMT+8", 8),
        ("UTC-03:30", -3.5),
        ("+00", 0),
    ],
)
def test_well_known_names_of_zones_are_offsets(text: str, hours: float) -> None:
    found = times(f"2026-01-24 22:01:45 {text}")
    assert requested_at(found) == [
        ms(datetime(2026, 1, 24, 22, 1, 45, tzinfo=timezone(timedelta(hours=hours))))
    ]


@pytest.mark.parametrize(
    ("text", "zone"),
    [("CST", "Asia/Shanghai"), ("CST", "America/Chicago"), ("IST", "Asia/Kolkata"), ("CET", "Europe/Berlin")],
)
def test_a_name_with_several_meanings_needs_the_zone_it_stands_for(text: str, zone: str) -> None:
    line = f"2026-01-24 22:01:45 {text}"
    assert "--tz" in times(line).rejects[2]
    assert requested_at(times(line, tz=zone)) == [ms(datetime(2026, 1, 24, 22, 1, 45, tzinfo=ZoneInfo(zone)))]
    assert "--tz" in times(line, tz="Asia/Tokyo").rejects[2]


@given(
    day=st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    mark=st.sampled_from("/-"),
    day_first=st.booleans(),
    told=st.booleans(),
)
def test_day_or_month_first_is_decided_by_the_whole_file_or_not_at_all(
    day: date, mark: str, *, day_first: bool, told: bool
) -> None:
    form = f"%d{mark}%m{mark}%Y" if day_first else f"%m{mark}%d{mark}%Y"
    moment = datetime.fromisoformat(f"{day} 22:00:00").replace(tzinfo=UTC)
    sure = datetime(2026, 11, 20, 22, tzinfo=UTC)
    texts = [each.strftime(f"{form} %H:%M:%S+00:00") for each in ((moment, sure) if told else (moment,))]
    if told or moment.day > 12 or moment.day == moment.month:
        assert requested_at(times(*texts))[0] == ms(moment)
        return
    with pytest.raises(Misconfigured) as caught:
        times(*texts)
    # What the error recommends does read the file, each its own way.
    words = shlex.split(caught.value.text.rpartition("Give ")[2])
    formats = [words[place + 1] for place, word in enumerate(words) if word == "--time-format"]
    assert len(formats) == 2
    read_times = {requested_at(times(*texts, time_format=each))[0] for each in formats}
    assert len(read_times) == 2
    assert ms(moment) in read_times


def test_rows_with_both_orders_leave_no_order_for_the_others() -> None:
    found = times("20/11/2026 22:00", "11/20/2026 10:00:00 PM", "05/06/2026 10:00")
    assert len(found.messages) == 2
    assert "--time-format" in found.rejects[4]


def test_a_pipe_has_no_second_look_so_only_certain_dates_are_read() -> None:
    assert len(times("20/11/2026 22:00", pipe=True).messages) == 1
    with pytest.raises(Misconfigured, match="--time-format"):
        times("20/11/2026 22:00", "05/06/2026 10:00", pipe=True)


def test_a_local_time_that_does_not_exist_is_refused_and_one_that_exists_twice_is_the_earlier() -> None:
    found = times("2026-03-29 02:30:00", "2026-10-25 02:30:00", tz="Europe/Berlin")
    assert "does not exist" in found.rejects[2]
    assert found.messages[0]["requested_at"] == ms(datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
    assert found.notes == [TWICE]


@given(
    MOMENTS,
    st.sampled_from(["%d/%m/%y %H:%M:%S", "%m-%d-%y %I.%M.%S %p", "%H:%M:%S %d%b%Y", "%Y%m%d %H%M%S %z"]),
)
def test_a_format_reads_what_is_written_in_it(moment: datetime, form: str) -> None:
    aware = moment.replace(tzinfo=UTC)
    assert requested_at(times(aware.strftime(form), tz="UTC", time_format=form)) == [ms(aware)]
    assert "--time-format" in times("2026-11-20x", time_format=form).rejects[2]


@pytest.mark.parametrize(
    "options",
    [
        {"tz": "Mars/Base"},
        {"tz": "../etc"},
        {"time_format": "%H:%M"},
        {"time_format": "%q"},
        {"time_format": "%d/%m/%Y %Z"},
    ],
)
def test_a_zone_or_a_format_that_can_not_be_used_is_refused_at_once(options: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="--t"):
        times("2026-11-20", **options)


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters='"\r\n')))
def test_any_text_is_a_time_or_is_refused(text: str) -> None:
    try:
        found = times(f"x{text}", tz="Europe/Berlin")
    except Misconfigured:
        return
    assert len(found.messages) + len(found.rejects) == 1


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "1.79521E+12",
        "2026-13-01",
        "13/13/2026",
        "20/11/26 22:00",
        "0000-00-00 00:00:00",
        "123",
        "99999999999",
        "25:00",
    ],
)
def test_what_is_not_certain_is_refused_with_the_way_out(text: str) -> None:
    found = times(text)
    assert found.messages == []
    assert "--time-format" in found.rejects[2] or "spreadsheet" in found.rejects[2]

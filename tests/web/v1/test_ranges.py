"""Number ranges that look like fraud, over the API and the command line, by real reports."""

import asyncio
import csv
import io
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.checking import measure
from otpconv.cli.local_server import LocalServer
from tests.cli.commands import Run
from tests.web.pumped import DAY_MS, HOUR_MS, KNOWN, PUMPED, entered_codes, record, traffic


@pytest.fixture
def pumped(own: httpx.Client) -> httpx.Client:
    record(own, traffic(time.time_ns() // 1_000_000))
    return own


def test_pumped_ranges_are_found_with_what_they_cost_and_listed_to_block(
    pumped: httpx.Client, at: Run
) -> None:
    listed = {"prices": [{"provider": "acme", "country": "DE", "price": "0.10", "currency": "EUR"}]}
    pumped.post("/v1/prices", json=listed).raise_for_status()
    answer = pumped.get("/v1/ranges").json()
    assert sorted(found["number_range"] for found in answer["ranges"]) == sorted(PUMPED)
    assert (answer["more"], answer["routes"]) == (False, [])
    first = answer["ranges"][0]
    assert first["prefixes"] == [first["number_range"]]
    assert (first["country"], first["requested"], first["flagged"]) == ("DE", 60, True)
    assert first["posterior"] > 0.95
    assert first["verified"] < 6
    assert 0.7 < first["usual_rate"] < 0.9
    assert first["lost"] == pytest.approx(60 * first["usual_rate"] - first["verified"])
    assert first["costs"] == [{"currency": "EUR", "cost": pytest.approx(first["lost"] / 2 * 0.1, abs=1e-5)}]
    assert first["review_at"] == answer["end"] + 30 * DAY_MS
    assert pumped.get("/v1/ranges", params={"limit": 1}).json()["more"] is True
    assert pumped.get("/v1/ranges", params={"country": "FR"}).json()["ranges"] == []
    longer = pumped.get("/v1/ranges", params={"start": answer["end"] - 3 * DAY_MS}).json()
    assert sorted(found["number_range"] for found in longer["ranges"]) == sorted(PUMPED)

    rows = list(csv.DictReader(io.StringIO(pumped.get("/v1/ranges", params={"format": "csv"}).text)))
    assert sorted(f"+{row['prefix']}" for row in rows) == sorted(PUMPED)
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", rows[0]["review_on"])
    printed = at("ranges").stdout
    assert all(number_range in printed for number_range in PUMPED)
    assert at("ranges", "--csv").stdout.splitlines()[0].startswith("prefix,country")
    assert len(json.loads(at("ranges", "--json", "--min-posterior", "0.5").stdout)["ranges"]) == 2


def test_a_number_is_checked_by_its_range_and_not_by_what_it_is(pumped: httpx.Client) -> None:
    def check(**body: str) -> dict[str, Any]:
        answer = pumped.post("/v1/check", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    high = check(to=f"{PUMPED[0]}1234")
    assert (high["risk"], high["country"], high["range"]["number_range"]) == ("high", "DE", PUMPED[0])
    assert "Of 60 messages to" in high["reasons"][0]
    assert high["age_ms"] < 60_000
    assert check(to="0157 90011234", country="DE")["risk"] == "high"
    low = check(to="+4915110011234")
    assert (low["risk"], low["reasons"], low["range"]) == ("low", [], None)
    # A neighbour of two flagged ranges.
    assert check(to="+4915790091234")["risk"] == "elevated"


def test_rates_are_shown_with_and_without_flagged_ranges(pumped: httpx.Client, at: Run) -> None:
    answer = pumped.get(
        "/v1/rates", params={"start": "7d", "without_ranges": "true", "by": "provider"}
    ).json()
    assert answer["without_ranges"] == {"flagged": sorted(PUMPED), "reason": None}
    assert answer["start"] % HOUR_MS == answer["end"] % HOUR_MS == 0
    assert sum(row["flagged_requested"] for row in answer["rows"]) == 120
    for row in answer["rows"]:
        assert row["rate"] < 0.75 < row["rate_without_flagged"]
    whole = pumped.get("/v1/rates", params={"start": "7d", "without_ranges": "true"}).json()["rows"][0]
    assert whole["rate_without_flagged"] == pytest.approx(
        sum(
            row["rate_without_flagged"] * (row["requested"] - row["flagged_requested"])
            for row in answer["rows"]
        )
        / (whole["requested"] - 120)
    )
    top = {"start": "7d", "without_ranges": "true", "by": "provider", "top": "1"}
    assert sum(row["flagged_requested"] for row in pumped.get("/v1/rates", params=top).json()["rows"]) == 120
    by_template = pumped.get("/v1/rates", params={"without_ranges": "true", "by": "template"}).json()
    assert (
        by_template["without_ranges"]["reason"]
        == "Ranges are counted by country and provider, not by template."
    )
    assert by_template["rows"][0]["rate_without_flagged"] is None
    assert "without" in at("rates", "--start", "7d", "--without-ranges").stdout
    assert "rate_without_flagged" in at("rates", "--start", "7d", "--without-ranges", "--csv").stdout


def test_users_from_before_are_the_collateral_of_a_block(own: httpx.Client) -> None:
    now = time.time_ns() // 1_000_000
    record(own, traffic(now, (*PUMPED, KNOWN)))
    found = {each["number_range"]: each for each in own.get("/v1/ranges").json()["ranges"]}
    assert found[KNOWN]["verified_before"] == 10
    assert found[KNOWN]["first_requested_at"] < now - 8 * DAY_MS
    assert found[PUMPED[0]]["verified_before"] == 0


def test_a_provider_that_may_enter_the_codes_is_a_route_to_look_at(own: httpx.Client, at: Run) -> None:
    record(own, entered_codes(time.time_ns() // 1_000_000))
    (route,) = own.get("/v1/ranges").json()["routes"]
    assert (route["country"], route["provider"]) == ("FR", "hawk")
    assert "too even for people" in route["reasons"][0]
    assert own.get("/v1/ranges", params={"country": "DE"}).json()["routes"] == []
    assert "route to look at: hawk in FR: Half of its codes" in at("ranges").stdout


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("country=DEU", "Invalid country"),
        ("country=DE&country=FR", "repeated parameter 'country'"),
        ("min_posterior=2", "Invalid min_posterior"),
        ("limit=0", "Invalid limit"),
        ("limit=1001", "Invalid limit"),
        ("format=xml", "Invalid format"),
        ("start=60d", "35 days"),
        ("start=0m", "must be before end"),
        ("speed=1", "Unknown or repeated parameter"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_words(
    native: httpx.Client, query: str, text: str
) -> None:
    answer = native.get(f"/v1/ranges?{query}")
    assert answer.status_code == 400
    assert text in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ({}, "InvalidRequest", "to"),
        ({"to": "12"}, "InvalidNumber", "international form"),
        ({"to": "+49 151 x"}, "InvalidNumber", "something other than digits"),
        ({"to": "+4915112345678", "country": "XX"}, "InvalidRequest", "not a region"),
        ({"to": "+4915112345678", "colour": "red"}, "InvalidRequest", "colour"),
    ],
)
def test_a_check_of_what_is_not_a_number_is_refused_in_words(
    native: httpx.Client, body: dict[str, str], code: str, text: str
) -> None:
    answer = native.post("/v1/check", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert text in answer.json()["detail"]


def test_without_traffic_nothing_looks_like_fraud(own: httpx.Client) -> None:
    answer = own.get("/v1/ranges").json()
    assert (answer["judged"], answer["ranges"], answer["routes"]) == (0, [], [])
    assert own.post("/v1/check", json={"to": "+4915112345678"}).json()["risk"] == "low"


@pytest.mark.campaign("2,000 checks beside 50,000 messages")
@pytest.mark.long("reports 50,000 messages first")
def test_of_100_checks_99_take_less_than_5_ms_of_processor_time(tmp_path: Path) -> None:
    times = sorted(asyncio.run(measure(tmp_path, 2_000)))
    assert times[int(len(times) * 0.99)] < 0.005


def test_a_check_leaves_no_trace_of_the_number(make_server: Callable[..., LocalServer]) -> None:
    server = make_server()
    with (
        server,
        httpx.Client(base_url=server.url, auth=(server.access_key_id, server.access_key_secret)) as client,
    ):
        client.post("/v1/check", json={"to": "+4915199887766"}).raise_for_status()
        client.post("/v1/check", json={"to": "+49151998877665544332211"})
        client.get("/v1/check?to=+4915199887766")
    files = [file for file in server.data.rglob("*") if file.is_file()]
    assert files
    for file in files:
        assert b"15199887766" not in file.read_bytes(), file

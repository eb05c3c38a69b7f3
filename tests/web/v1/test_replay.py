"""The replay over the API and the command line: it finds a fall in real reports."""

import json
import time
from collections.abc import Iterator
from random import Random

import httpx
import pytest

from tests.cli.commands import Run

HOUR_MS = 3_600_000
#: So small that chance finds nothing, whatever the time of day is when the test runs.
BUDGET = "0.01"
DAYS, PER_HOUR = 12, 4


def _reports(now: int, falls_from: int) -> Iterator[tuple[dict[str, object], dict[str, object] | None]]:
    """Yield messages of the last days with their conversions; bravo in DE fails from a time on, ms."""
    random = Random(3)
    for n in range(DAYS * 24 * PER_HOUR * 2):
        provider = ("acme", "bravo")[n % 2]
        requested_at = now - DAYS * 24 * HOUR_MS + n * HOUR_MS // (2 * PER_HOUR)
        message = {
            "message_id": f"replay-{n}",
            "requested_at": requested_at,
            "country": "DE",
            "provider": provider,
            "attempt": 1,
        }
        failing = provider == "bravo" and requested_at >= falls_from
        conversion = {
            "message_id": f"replay-{n}",
            "delivered": True,
            "conversion_time": requested_at + 20_000,
        }
        yield message, conversion if random.random() < (0.1 if failing else 0.9) else None


def test_a_fall_is_found_within_hours_and_named(own: httpx.Client, at: Run) -> None:
    now = time.time_ns() // 1_000_000 - 2 * HOUR_MS
    falls_from = now - 30 * HOUR_MS
    messages, conversions = zip(*_reports(now, falls_from), strict=True)
    assert own.post("/v1/messages", json={"messages": messages}).json()["rejected"] == []
    sent = [conversion for conversion in conversions if conversion]
    assert own.post("/v1/conversions", json={"conversions": sent}).json()["rejected"] == []

    answer = own.get("/v1/alerts/replay", params={"start": now - 48 * HOUR_MS, "budget": BUDGET}).json()

    assert answer["first_attempts"] is True
    (finding,) = answer["findings"]
    assert finding["provider"] == "bravo"
    assert abs(finding["since"] - falls_from) <= HOUR_MS
    assert falls_from < finding["found_at"] <= falls_from + 8 * HOUR_MS
    assert finding["until"] is None
    assert finding["verified"] < finding["expected"]

    replay = ("alerts", "replay", "--budget", BUDGET)
    assert finding["label"].split()[0] in at(*replay, "--start", "3d").stdout
    assert json.loads(at(*replay, "--start", "3d", "--json").stdout)["findings"]
    assert "nothing found" in at(*replay, "--start", "9d", "--end", "5d").stdout


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("start=2026-01-02&end=2026-01-01", "must be before end"),
        ("start=2020-01-01&end=2026-01-01", "Replay at most 92 days"),
        ("budget=0", "Invalid budget"),
        ("budget=nan", "Invalid budget"),
        ("budget=1&budget=1", "repeated parameter"),
        ("speed=1", "Unknown or repeated parameter"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_words(
    native: httpx.Client, query: str, text: str
) -> None:
    answer = native.get(f"/v1/alerts/replay?{query}")
    assert answer.status_code == 400
    assert text in answer.json()["detail"]


def test_without_traffic_nothing_is_found(own: httpx.Client) -> None:
    answer = own.get("/v1/alerts/replay").json()
    assert (answer["findings"], answer["watched"]) == ([], 0)

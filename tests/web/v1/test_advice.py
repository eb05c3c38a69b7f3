"""Advice over the API and the command line, by real reports."""

import json
import time
from random import Random

import httpx
import pytest

from tests.cli.commands import Run

HOUR_MS = 3_600_000


@pytest.fixture
def traffic(own: httpx.Client) -> httpx.Client:
    """Report first attempts of the last days: acme converts well, bravo badly, in DE."""
    random = Random(5)
    now = time.time_ns() // 1_000_000
    messages, conversions = [], []
    for n in range(1_800):
        provider = ("acme", "bravo")[n % 2]
        requested_at = now - random.randint(2, 40) * HOUR_MS
        message_id = f"advice-{n}"
        messages.append(
            {
                "message_id": message_id,
                "requested_at": requested_at,
                "country": "DE",
                "carrier": "one" if n % 6 < 3 or n % 6 == 5 else "two",
                "provider": provider,
                "attempt": 1,
            }
        )
        if random.random() < (0.9 if provider == "acme" else 0.6):
            conversions.append(
                {
                    "message_id": message_id,
                    "delivered": True,
                    "conversion_time": requested_at + random.randint(5_000, 60_000),
                }
            )
    assert own.post("/v1/messages", json={"messages": messages}).json()["rejected"] == []
    assert own.post("/v1/conversions", json={"conversions": conversions}).json()["rejected"] == []
    return own


def test_the_better_provider_gains_within_the_limits_and_the_reasons_say_so(
    traffic: httpx.Client, at: Run
) -> None:
    answer = traffic.get("/v1/advice", params={"country": "de"}).json()
    acme, bravo = answer["routes"]
    assert (acme["provider"], bravo["provider"]) == ("acme", "bravo")
    assert acme["best"] == 1
    assert acme["share"] == 0.5
    assert acme["weight"] == pytest.approx(0.65)  # the current share and the largest gain
    assert "gains at most 15%" in " ".join(acme["reasons"])
    assert acme["rate_low"] < 0.9 < acme["rate_high"]
    assert [carrier["carrier"] for carrier in answer["carriers"]] == ["one", "two"]

    confirmed = {"country": "DE", "confirmed": "acme", "holdout": "0", "floor": "0.05", "seed": "3"}
    answer = traffic.get("/v1/advice", params=confirmed).json()
    assert answer["routes"][0]["weight"] == pytest.approx(0.95)
    assert traffic.get("/v1/advice", params=confirmed).json() == answer

    printed = at("advice", "--country", "DE", "--explain").stdout
    assert "acme" in printed
    assert "first attempts in 28 days were verified" in printed
    assert json.loads(at("advice", "--country", "DE", "--json").stdout)["country"] == "DE"
    assert "no first attempts to FR" in at("advice", "--country", "FR").stdout


def test_prices_give_each_route_the_cost_of_a_verification(traffic: httpx.Client, at: Run) -> None:
    for route in traffic.get("/v1/advice", params={"country": "DE"}).json()["routes"]:
        assert [route[name] for name in ("price", "currency", "cost_per_verified", "cost_low")] == [None] * 4
    assert "per verified" not in at("advice", "--country", "DE").stdout

    listed = {"prices": [{"provider": "acme", "country": "DE", "price": "0.08", "currency": "EUR"}]}
    assert traffic.post("/v1/prices", json=listed).json()["added"] == 1
    acme, bravo = traffic.get("/v1/advice", params={"country": "DE"}).json()["routes"]
    assert (acme["price"], acme["currency"]) == (0.08, "EUR")
    assert acme["cost_per_verified"] == pytest.approx(0.08 / acme["rate"])
    assert acme["cost_low"] == pytest.approx(0.08 / acme["rate_high"])
    assert acme["cost_high"] == pytest.approx(0.08 / acme["rate_low"])
    assert "A verification costs 0.0" in " ".join(acme["reasons"])
    assert (bravo["price"], bravo["currency"], bravo["cost_high"]) == (None, None, None)
    printed = at("advice", "--country", "DE").stdout
    assert "per verified" in printed
    assert "0.0800 EUR" in printed


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "country is missing"),
        ("country=DEU", "Invalid country"),
        ("country=DE&country=FR", "country is given twice"),
        ("country=DE&floor=0.9", "Invalid floor"),
        ("country=DE&holdout=-1", "Invalid holdout"),
        ("country=DE&seed=x", "Invalid seed"),
        ("country=DE&speed=1", "Unknown parameter"),
        ("country=DE" + "&confirmed=a" * 2 + "".join(f"&confirmed={n}" for n in range(50)), "at most 50"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_words(
    native: httpx.Client, query: str, text: str
) -> None:
    answer = native.get(f"/v1/advice?{query}")
    assert answer.status_code == 400
    assert text in answer.json()["detail"]


def test_without_traffic_there_is_no_advice(own: httpx.Client) -> None:
    answer = own.get("/v1/advice", params={"country": ""}).json()
    assert (answer["country"], answer["routes"], answer["carriers"]) == (None, [], [])

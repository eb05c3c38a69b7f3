"""Price lists over the API: added to, replaced, deleted, bounded, controlled, and audited."""

from collections.abc import Callable

import httpx
import pytest

from audited import audited
from otpconv.access.keys import AccessKey
from otpconv.access.prices import MAX_PRICES
from otpconv.cli.local_server import LocalServer

PATH = "/v1/prices"
DE = {"provider": "acme", "country": "de", "channel": "sms", "price": "0.0750", "currency": "eur"}
DE_OUT = DE | {"country": "DE", "price": "0.075", "currency": "EUR", "from": None}
ANY = {"price": "1", "currency": "USD", "from": "2026-01-31T12:59Z"}
ANY_OUT = {"provider": "", "country": "", "channel": "", "price": "1", "currency": "USD"}
NOON = 1_769_860_800_000


def listed(api: httpx.Client) -> list[dict[str, object]]:
    prices: list[dict[str, object]] = api.get(PATH).json()["prices"]
    return prices


def test_prices_are_added_replaced_and_deleted(own: httpx.Client) -> None:
    assert listed(own) == []
    first = own.post(PATH, json={"prices": [DE, ANY]})
    assert first.json() == {"added": 2, "replaced": 0, "removed": 0, "prices": 2}
    assert listed(own) == [ANY_OUT | {"from": NOON}, DE_OUT]
    again = own.post(PATH, json={"prices": [DE | {"price": "0.08"}, ANY | {"from": NOON}]})
    assert again.json() == {"added": 0, "replaced": 1, "removed": 0, "prices": 2}
    whole = own.post(PATH, json={"prices": [DE | {"from": 0}, DE | {"country": None}], "replace": True})
    assert whole.json() == {"added": 1, "replaced": 1, "removed": 1, "prices": 2}
    assert own.delete(PATH, params={"country": "", "provider": "acme"}).json()["removed"] == 1
    assert listed(own) == [DE_OUT]
    assert own.delete(PATH, params={"country": "de", "from": "2026"}).status_code == 400
    assert own.delete(PATH, params={"country": "de", "from": "2026-01-01"}).json()["removed"] == 0
    assert own.delete(PATH, params={"country": "de", "from": ""}).json()["removed"] == 1
    own.post(PATH, json={"prices": [DE, ANY]})
    assert own.delete(f"{PATH}?all=true").json() == {"added": 0, "replaced": 0, "removed": 2, "prices": 0}


@pytest.mark.parametrize(
    "prices",
    [
        [DE | {"price": "0.0000001"}],
        [DE | {"price": 0.1}],
        [DE | {"price": "-1"}],
        [DE | {"price": "10000.1"}],
        [DE | {"currency": "EURO"}],
        [DE | {"country": "Germany"}],
        [DE | {"provider": "(other)"}],
        [DE | {"from": "some day"}],
        [DE | {"carrier": "x"}],
        [{"price": "1"}],
        [DE, DE],
        [ANY | {"from": hour * 3_600_000} for hour in range(MAX_PRICES + 1)],
        "x" * 3_000_000,
    ],
)
def test_one_bad_price_refuses_all_of_them_in_words(own: httpx.Client, prices: object) -> None:
    answer = own.post(PATH, json={"prices": [ANY, *prices] if isinstance(prices, list) else prices})
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidRequest")
    assert listed(own) == []


@pytest.mark.parametrize(
    "query", ["", "all=false", "all=true&country=DE", "price=1", "country=DE&country=FR"]
)
def test_a_deletion_needs_a_clear_choice(own: httpx.Client, query: str) -> None:
    own.post(PATH, json={"prices": [DE]})
    assert own.delete(f"{PATH}?{query}").status_code == 400
    assert listed(own) == [DE_OUT]


def test_policies_decide_who_may_change_the_list_and_each_change_is_audited(
    server: LocalServer, make_key: Callable[..., AccessKey], own: httpx.Client, key: AccessKey
) -> None:
    own.post(PATH, json={"prices": [DE]})
    reader = make_key("OtpconvReadOnly", account=key.account_name)
    with httpx.Client(base_url=server.url, auth=(reader.access_key_id, reader.secret)) as client:
        assert listed(client) == [DE_OUT]
        for refused in (client.post(PATH, json={"prices": []}), client.delete(f"{PATH}?all=true")):
            assert refused.status_code == 403
            assert "otpconv:ManagePrices" in refused.json()["detail"]
    own.delete(f"{PATH}?all=true")
    own.post(PATH, json={"prices": [DE, DE]})
    lines = audited(server.data)
    ours = [line for line in lines if line["who"] == key.access_key_id]
    assert [(line["what"], line["subject"], line["outcome"]) for line in ours] == [
        ("ImportPrices", "prices: 1 added, 0 replaced, 0 removed", "done"),
        ("DeletePrices", "prices: 0 added, 0 replaced, 1 removed", "done"),
        ("ImportPrices", "prices", "InvalidRequest"),
    ]

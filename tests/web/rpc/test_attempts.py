"""Verify Attempts over generated ledgers: each attempt is on one page, and sums are those of the list."""

import asyncio
import json
import random
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from otpconv.access.keys import AccessKey
from otpconv.audit import AuditLog
from otpconv.clock import iso_8601
from otpconv.config import load
from otpconv.dialects.dialect import HttpRequest
from otpconv.dialects.twilio.calls import LIST_ATTEMPTS, PREFIXES, Call
from otpconv.model import Conversion, Dimensions, Report, Requested
from otpconv.service.compose import Service
from otpconv.service.opening import open_key_store
from otpconv.storage import recorded
from otpconv.web.front.gate import Gate
from otpconv.web.rpc import attempts
from otpconv.web.rpc.attempts import Attempts

NUMBER = "+4915112345678"


class Vendor:
    """The questions of one account, asked in this process."""

    def __init__(self, folder: Path) -> None:
        settings = load(data=folder)
        with closing(open_key_store(settings)) as store:
            self.key: AccessKey = store.create("default", "somebody", "AdministratorAccess")
        self.service = Service(settings)
        self.now = self.service.clock()
        self.asked = Attempts(self.service, Gate(settings, AuditLog(folder)), "https://otp.example").questions
        self.pages = 0

    async def ask(self, permission: str, **parameters: str) -> dict[str, Any]:
        call = Call(
            access_key_id=self.key.access_key_id,
            secret="",
            permission=permission,
            path=PREFIXES[1],
            account="",
            service="",
            id="",
            parameters={name.replace("_", "."): value for name, value in parameters.items()},
        )
        scope: dict[str, Any] = {"type": "http", "scheme": "https", "headers": [], "client": ("192.0.2.1", 1)}
        request = HttpRequest(
            "GET", call.path, urlencode(call.parameters).encode(), {b"host": b"otp.example"}
        )
        answer = await self.asked[permission](call, self.key, scope=scope, request=request, now=self.now)
        told: dict[str, Any] = json.loads(answer.body)
        return told

    async def list(self, **parameters: str) -> list[dict[str, Any]]:
        """Return the attempts of all pages, as an SDK goes over them."""
        found: list[dict[str, Any]] = []
        following: str | None = f"https://otp.example/v2/Attempts?{urlencode(parameters)}"
        while following is not None:
            assert following.startswith("https://otp.example/v2/Attempts?")
            asked = dict(parse_qsl(urlsplit(following).query))
            page = await self.ask(LIST_ATTEMPTS, **asked)
            found += page["attempts"]
            following = page["meta"]["next_page_url"]
            self.pages += 1
        return found


def world(seed: int, vendor: Vendor) -> list[Report]:
    """Return reports of messages of any time of the last 40 days, some verified, in no order of time."""
    rng = random.Random(seed)
    account, now = vendor.key.account, vendor.now
    reports: list[Report] = []
    for number in range(rng.randrange(1, 150)):
        at = now - rng.randrange(1, 40 * 24 * 3_600_000)
        dimensions = Dimensions(
            country=rng.choice(["DE", "FR", ""]),
            channel=rng.choice(["sms", "voice", "rcs"]),
            sender=rng.choice(["", "VA1"]),
        )
        known = rng.random() < 0.7
        reports.append(
            Requested(
                account,
                f"m{number}",
                at,
                dimensions,
                number=vendor.service.number_hash(account, NUMBER) if known else "",
                number_range=NUMBER[:-4] if known else "",
            )
        )
        if rng.random() < 0.5:
            delivered = rng.random() < 0.7
            reports.append(Conversion(account, delivered, at + rng.randrange(1, 600_000), f"m{number}"))
    reports.append(Conversion(account, True, now - 1, "unmatched"))
    return reports


async def in_worlds(folder: Path, seeds: range, check: Any) -> None:  # noqa: ANN401 - a coroutine function
    for seed in seeds:
        vendor = Vendor(folder / str(seed))
        await vendor.service.start()
        try:
            reports = world(seed, vendor)
            await vendor.service.intake.record(reports)
            await check(
                vendor, [each for each in reports if isinstance(each, Requested)], random.Random(seed)
            )
        finally:
            await vendor.service.stop()


def test_each_attempt_is_on_one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(vendor: Vendor, requests: list[Requested], rng: random.Random) -> None:
        monkeypatch.setattr(recorded, "_LOOKED_AT", rng.choice([5, 17, 20_000]))
        monkeypatch.setattr(attempts, "_MOST", rng.choice([1, 3, 500]))
        monkeypatch.setattr(attempts, "_PARTS", rng.choice([1, 10]))
        start = vendor.now - 30 * 24 * 3_600_000
        size = str(rng.choice([4, 50, 1000]))
        for filters, matches in (
            ({}, lambda _: True),
            ({"Country": "FR"}, lambda each: each.dimensions.country == "FR"),
            ({"Channel": "call"}, lambda each: each.dimensions.channel == "voice"),
            ({"VerifyServiceSid": "VA1"}, lambda each: each.dimensions.sender == "VA1"),
        ):
            expected = [each for each in requests if each.requested_at >= start and matches(each)]
            found = await vendor.list(PageSize=size, **filters)
            assert [each["channel_data"]["message_id"] for each in found] == [
                each.message_id for each in reversed(expected)
            ]

    asyncio.run(in_worlds(tmp_path, range(4), check))


def test_the_sums_are_those_of_the_list(tmp_path: Path) -> None:
    async def check(vendor: Vendor, _: list[Requested], rng: random.Random) -> None:
        # Whole days, since old rollups are by quarters of an hour.
        day = vendor.now // 86_400_000 * 86_400_000
        window = {
            "DateCreatedAfter": iso_8601(day - rng.randrange(2, 35) * 86_400_000),
            "DateCreatedBefore": iso_8601(day - rng.randrange(2) * 86_400_000),
        }
        for more in (
            {},
            {"Country": "DE"},
            {"Channel": "sms"},
            {"Channel": "rbm", "VerifyServiceSid": "VA1"},
        ):
            listed = await vendor.list(**window, **more)
            converted = await vendor.list(**window, **more, Status="converted")
            unconverted = await vendor.list(**window, **more, Status="unconverted")
            told = await vendor.ask("twilio:FetchVerificationAttemptsSummary", **window, **more)
            assert told["total_attempts"] == len(listed)
            assert told["total_converted"] == len(converted)
            assert told["total_unconverted"] == len(unconverted)
            of_prefix = await vendor.ask(
                "twilio:FetchVerificationAttemptsSummary", **window, **more, DestinationPrefix="+4915"
            )
            known = [each for each in listed if each["channel_data"]["number_range"]]
            assert of_prefix["total_attempts"] == len(known)
            assert of_prefix["total_converted"] == sum(
                each["conversion_status"] == "converted" for each in known
            )

    asyncio.run(in_worlds(tmp_path, range(4), check))


def test_a_search_by_number_shows_the_newest_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MAX_OF_NUMBER", 5)

    async def check(vendor: Vendor, requests: list[Requested], _: random.Random) -> None:
        newest = sorted((each for each in requests if each.number), key=lambda each: -each.requested_at)[:5]
        start = vendor.now - 30 * 24 * 3_600_000
        found = await vendor.list(ChannelData_To=NUMBER, PageSize="2")
        assert [each["channel_data"]["message_id"] for each in found] == [
            each.message_id for each in newest if each.requested_at >= start
        ]

    asyncio.run(in_worlds(tmp_path, range(3), check))

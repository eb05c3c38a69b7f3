"""What the holder of a key can do that may only read."""

import json
import secrets
from urllib.parse import urlencode

from benchmarks.dataset import message_id
from benchmarks.worst_cases.case import Attack, Cases
from benchmarks.worst_cases.traffic import basic, called, rendered
from benchmarks.worst_cases.world import DAY_MS, World

READER = Cases("read only")

_ALL = "country,carrier,provider,template,sender,channel,access_key"
_BATCH = 10_000


def _rates(world: World, days: float = 30, *pairs: tuple[str, str], **parameters: str) -> bytes:
    target = f"/v1/rates?{urlencode([*world.window(days).items(), *parameters.items(), *pairs])}"
    return rendered("GET", target, basic(*world.reader))


@READER.add("rates of 30 days by 15 minutes and all dimensions")
def _many_rows(world: World) -> Attack:
    return lambda traffic: traffic.flood([_rates(world, interval="15m", by=_ALL)])


@READER.add("the same by minutes of 2 days")
def _minutes(world: World) -> Attack:
    return lambda traffic: traffic.flood([_rates(world, 2, interval="1m", by=_ALL)])


@READER.add("the same as CSV")
def _csv(world: World) -> Attack:
    return lambda traffic: traffic.flood([_rates(world, 2, interval="1m", by=_ALL, format="csv")])


@READER.add("the same as Parquet")
def _parquet(world: World) -> Attack:
    return lambda traffic: traffic.flood([_rates(world, 2, interval="1m", by=_ALL, format="parquet")])


@READER.add("12 long answers that are never read")
def _unread(world: World) -> Attack:
    return lambda traffic: traffic.hold([_rates(world, interval="1h", by="country,provider,carrier")] * 12)


@READER.add("64 connections that ask for 30 days, by hour and compared")
def _compared(world: World) -> Attack:
    request = _rates(world, interval="1h", by="provider", compare="previous", order="-change")
    return lambda traffic: traffic.flood([request], 64)


@READER.add("days of another time zone since 1970")
def _days(world: World) -> Attack:
    request = _rates(world, 50 * 365, interval="1d", tz="Pacific/Chatham", compare="week")
    return lambda traffic: traffic.flood([request], 8)


@READER.add("a window of 8,000 years")
def _window(_: World) -> Attack:
    target = f"/v1/rates?{urlencode({'start': '0', 'end': '253370764800000', 'by': _ALL})}"
    return lambda traffic: traffic.flood([rendered("GET", target, basic(*_.reader))], 8)


@READER.add("filters of 4,000 values")
def _filters(world: World) -> Attack:
    values = [("template", f"t{n}") for n in range(4_000)]
    return lambda traffic: traffic.flood([_rates(world, 30, *values)], 8)


@READER.add("plain rates where 100,000 templates were reported", spoils=True)
def _templates(world: World) -> Attack:
    _report(
        world,
        "messages",
        ({"message_id": secrets.token_hex(12), "template": secrets.token_hex(8)} for _ in range(100_000)),
    )
    return lambda traffic: traffic.flood([_rates(world), _rates(world, by="template", top="10")], 8)


@READER.add("plain rates where 100,000 numbers are unmatched", spoils=True)
def _unmatched(world: World) -> Attack:
    at = world.now - DAY_MS // 2
    numbers = ({"to": f"+49152{n:08d}", "delivered": True, "conversion_time": at} for n in range(100_000))
    _report(world, "conversions", numbers)
    return lambda traffic: traffic.flood([_rates(world, 1)], 8)


@READER.add("plain rates where ConversionData was called 5,000 times", spoils=True)
def _self_reported(world: World) -> Attack:
    calls = [
        called(*world.reporter, "ConversionData", {"ConversionRate": "0.5", "ReportTime": str(world.now - n)})
        for n in range(5_000)
    ]
    world.send(calls)
    return lambda traffic: traffic.flood([_rates(world, 1)], 8)


@READER.add("/metrics, as fast as it goes")
def _metrics(world: World) -> Attack:
    return lambda traffic: traffic.flood([rendered("GET", "/metrics", basic(*world.reader))], 16)


@READER.add("one message after another")
def _messages(world: World) -> Attack:
    requests = [
        rendered("GET", f"/v1/messages/{message_id(secrets.randbelow(world.messages))}", basic(*world.reader))
        for _ in range(10_000)
    ]
    return lambda traffic: traffic.flood(requests, 32)


def _report(world: World, kind: str, items: object) -> None:
    everything = list(items)  # type: ignore[call-overload]
    for first in range(0, len(everything), _BATCH):
        body = json.dumps({kind: everything[first : first + _BATCH]}).encode()
        world.post(f"/v1/{kind}", world.reporter, body)
    world.recovered()

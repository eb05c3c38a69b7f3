"""What the holder of a key can do that may only report."""

import json
import secrets
from collections.abc import Iterable, Iterator

from benchmarks.dataset import message_id, requested_at
from benchmarks.worst_cases.case import Attack, Cases
from benchmarks.worst_cases.traffic import basic, called, rendered
from benchmarks.worst_cases.world import DAY_MS, World

REPORTER = Cases("report only")

_BATCH = 10_000
_MIB = 1 << 20
_NUMBER = "+4915112345678"
_Item = dict[str, object]


def _posts(world: World, kind: str, items: Iterable[_Item], batch: int = _BATCH) -> list[bytes]:
    """Return requests with these items, `batch` in each."""
    everything = list(items)
    return [
        _post(world, kind, json.dumps({kind: everything[first : first + batch]}, ensure_ascii=False).encode())
        for first in range(0, len(everything), batch)
    ]


def _post(world: World, kind: str, body: bytes, media_type: str = "application/json") -> bytes:
    return rendered("POST", f"/v1/{kind}", {**basic(*world.reporter), "content-type": media_type}, body)


def _new_messages(count: int, **more: object) -> Iterator[_Item]:
    return ({"message_id": secrets.token_hex(12), **more} for _ in range(count))


@REPORTER.add("8 MiB of [] as messages")
def _empty_items(world: World) -> Attack:
    body = b'{"messages":[' + b"[]," * (8 * _MIB // 3 - 20) + b"[]]}"
    return lambda traffic: traffic.flood([_post(world, "messages", body)])


@REPORTER.add("8 MiB of line ends")
def _line_ends(world: World) -> Attack:
    body = b"\n" * (8 * _MIB)
    return lambda traffic: traffic.flood([_post(world, "messages", body, "application/x-ndjson")])


@REPORTER.add("8 MiB of lines with an object without members")
def _empty_lines(world: World) -> Attack:
    body = b"{}\n" * (8 * _MIB // 3)
    return lambda traffic: traffic.flood([_post(world, "conversions", body, "application/x-ndjson")])


@REPORTER.add("8 MiB of brackets, nested")
def _nested(world: World) -> Attack:
    body = b'{"messages":' + b"[" * (8 * _MIB - 20)
    return lambda traffic: traffic.flood([_post(world, "messages", body)])


@REPORTER.add("40 bodies of 8 MiB announced and not sent")
def _announced(world: World) -> Attack:
    beginning = _post(world, "messages", b"x" * (8 * _MIB))[:2_000]
    return lambda traffic: traffic.hold([beginning] * 40, trickle=b"x")


@REPORTER.add("batches of 10,000 malformed items, answers unread")
def _unread(world: World) -> Attack:
    bad: dict[str, object] = {"message_id": "x", "attempt": "a lot" * 100}
    (request,) = _posts(world, "messages", [bad] * _BATCH)
    return lambda traffic: traffic.hold([request] * 12)


@REPORTER.add("batches of 10,000 new messages")
def _messages(world: World) -> Attack:
    more: _Item = {"provider": "provider 1", "country": "DE", "session_id": "s" * 100}
    requests = _posts(world, "messages", _new_messages(20 * _BATCH, **more))
    return lambda traffic: traffic.flood(requests, once=True)


@REPORTER.add("batches of 10,000 messages with new phone numbers")
def _numbers(world: World) -> Attack:
    items = ({**item, "to": f"+86 139 {n:08d}"} for n, item in enumerate(_new_messages(8 * _BATCH)))
    requests = _posts(world, "messages", items)
    return lambda traffic: traffic.flood(requests, once=True)


@REPORTER.add("batches of 10,000 texts that are no phone numbers")
def _no_numbers(world: World) -> Attack:
    texts = (f"\uff0b\uff11 ({n:08d}) 00000000000" for n in range(8 * _BATCH))
    items = ({**item, "to": text} for item, text in zip(_new_messages(8 * _BATCH), texts, strict=True))
    requests = _posts(world, "messages", items)
    return lambda traffic: traffic.flood(requests, once=True)


@REPORTER.add("conversions of old messages in random order")
def _old(world: World) -> Attack:
    numbers = [secrets.randbelow(world.messages) for _ in range(10 * _BATCH)]
    items = (
        {
            "message_id": message_id(number),
            "delivered": True,
            "conversion_time": requested_at(number, world.messages, world.now) + 20_000,
        }
        for number in numbers
    )
    requests = _posts(world, "conversions", items)
    return lambda traffic: traffic.flood(requests, once=True)


@REPORTER.add("batches of 50 conversions by number alone")
def _by_number(world: World) -> Attack:
    items = (
        {"to": f"+49151{n:08d}", "delivered": True, "conversion_time": world.now - n} for n in range(20_000)
    )
    requests = _posts(world, "conversions", items, 50)
    return lambda traffic: traffic.flood(requests, once=True)


@REPORTER.add("batches of 10,000 conversions by number alone")
def _many_by_number(world: World) -> Attack:
    items = (
        {"to": f"+49152{n:08d}", "delivered": True, "conversion_time": world.now - n}
        for n in range(10 * _BATCH)
    )
    requests = _posts(world, "conversions", items)
    return lambda traffic: traffic.flood(requests, once=True)


@REPORTER.add("one busy number: 1,000 messages, then its conversions", spoils=True)
def _busy_number(world: World) -> Attack:
    step = DAY_MS // 1_000
    for first in range(0, 1_000, 100):
        at = range(first, first + 100)
        items = [
            {"message_id": f"busy {n}", "to": _NUMBER, "requested_at": world.now - DAY_MS + n * step}
            for n in at
        ]
        world.post("/v1/messages", world.reporter, json.dumps({"messages": items}).encode())
    conversions = (
        {"to": _NUMBER, "delivered": True, "conversion_time": world.now - DAY_MS + n * step + 500}
        for n in range(1_000)
    )
    requests = _posts(world, "conversions", conversions, 20)
    return lambda traffic: traffic.flood(requests, 2, once=True)


@REPORTER.add("100,000 messages of one session")
def _one_session(world: World) -> Attack:
    requests = _posts(world, "messages", _new_messages(10 * _BATCH, session_id="one"))
    return lambda traffic: traffic.flood(requests, once=True)


@REPORTER.add("one message, reported 100,000 times, earlier each time")
def _one_message(world: World) -> Attack:
    items = (
        {"message_id": "one", "requested_at": world.now - n, "provider": f"p{n % 50}"}
        for n in range(10 * _BATCH)
    )
    requests = _posts(world, "messages", items)
    return lambda traffic: traffic.flood(requests, once=True)


@REPORTER.add("100,000 messages, each with a template of its own", spoils=True)
def _templates(world: World) -> Attack:
    items = ({**item, "template": secrets.token_hex(60)} for item in _new_messages(10 * _BATCH))
    requests = _posts(world, "messages", items)
    return lambda traffic: traffic.flood(requests, once=True)


@REPORTER.add("ConversionData, each for another time", spoils=True)
def _self_reported(world: World) -> Attack:
    calls = [
        called(*world.reporter, "ConversionData", {"ConversionRate": "0.5", "ReportTime": str(world.now - n)})
        for n in range(8_000)
    ]
    return lambda traffic: traffic.flood(calls, 16, once=True)


@REPORTER.add("SmsConversion, as fast as it goes")
def _signed(world: World) -> Attack:
    calls = [
        called(*world.reporter, "SmsConversion", {"MessageId": message_id(n), "Delivered": "true"})
        for n in range(20_000)
    ]
    return lambda traffic: traffic.flood(calls, 64, once=True)

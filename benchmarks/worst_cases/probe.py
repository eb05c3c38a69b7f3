"""Reports steadily and polls `/healthz`, in a process and from an address of its own; prints what it took.

Every request is sent when it is due, whether those before it were answered or not: a server that stands still
is measured for as long as it does. A call without an answer within 5 s counts as 5 s, and as failed.
"""

import asyncio
import contextlib
import json
import secrets
import sys
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlencode

from benchmarks.worst_cases.traffic import basic, rendered, signed
from otpconv.clock import wall_clock

#: Whoever attacks comes from elsewhere: a limit for each address must not meet the probe.
_ADDRESS = "127.0.0.2"
_REPORTS_A_SECOND = 50
_HEALTHZ_A_SECOND = 20
_TIMEOUT_S = 5.0

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Client:
    """Sends requests over as many connections as it takes, and keeps those that are answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Stream] = []
        self.failed = 0

    async def timed(self, request: bytes, expected: bytes) -> float:
        """Return how long a request took, ms."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await self._exchange(request)
            if expected in answer:
                return (loop.time() - began) * 1000
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            pass
        self.failed += 1
        return max(_TIMEOUT_S, loop.time() - began) * 1000

    async def _exchange(self, request: bytes) -> bytes:
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self._port, local_addr=(_ADDRESS, 0), limit=1 << 20
            )
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            answer = head + await reader.readexactly(int(length))
        except BaseException:
            writer.close()
            raise
        self._idle.append((reader, writer))
        return answer


async def _measure(port: int, access_key_id: str, secret: str, seconds: float) -> dict[str, object]:
    reports, healthz = Client(port), Client(port)
    message_id = ""

    def report(number: int) -> Awaitable[float]:
        nonlocal message_id
        if number % 2 == 0:
            message_id = secrets.token_hex(12)
            # Long ago enough for the conversion to be later, however long this takes.
            message = {"message_id": message_id, "requested_at": wall_clock() - 60_000, "provider": "probe"}
            body = json.dumps({"messages": [message]}).encode()
            head = {**basic(access_key_id, secret), "content-type": "application/json"}
            return reports.timed(rendered("POST", "/v1/messages", head, body), b'"recorded":1')
        parameters = {"MessageId": message_id, "Delivered": "true", "ConversionTime": str(wall_clock())}
        head = signed(access_key_id, secret, "SmsConversion", parameters)
        target = f"/?{urlencode(parameters, quote_via=quote)}"
        return reports.timed(rendered("POST", target, head), b'"ResponseCode":"OK"')

    def health(_: int) -> Awaitable[float]:
        return healthz.timed(rendered("GET", "/healthz", {}), b" 200 ")

    took = await asyncio.gather(
        _paced(_REPORTS_A_SECOND, seconds, report), _paced(_HEALTHZ_A_SECOND, seconds, health)
    )
    return {
        "report": _summary(took[0]),
        "healthz": _summary(took[1]),
        "failed": reports.failed + healthz.failed,
    }


async def _paced(a_second: int, seconds: float, send: Callable[[int], Awaitable[float]]) -> list[float]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    sent = []
    for number in range(round(a_second * seconds)):
        await asyncio.sleep(max(0.0, began + number / a_second - loop.time()))
        sent.append(asyncio.ensure_future(send(number)))
    return await asyncio.gather(*sent)


def _summary(took: list[float]) -> dict[str, float]:
    took.sort()
    places = {"p50": len(took) // 2, "p99": round(0.99 * len(took)) - 1, "max": -1}
    return {name: round(took[place], 1) for name, place in places.items()}


if __name__ == "__main__":
    port_, access_key_id_, secret_, seconds_ = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt):
        measured = asyncio.run(_measure(int(port_), access_key_id_, secret_, float(seconds_)))
        sys.stdout.write(json.dumps(measured))

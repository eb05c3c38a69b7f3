"""Reports to a server all the time, and how long each acknowledgement takes."""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Mapping
from threading import Event, Thread
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

from benchmarks.copying.commands import otpconv
from benchmarks.copying.filling import number_of
from benchmarks.worst_cases.probe import Client
from benchmarks.worst_cases.traffic import basic, rendered, signed
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock

#: Requests a second, each of one report or of ten; in all, 300 reports.
_SIGNED, _BATCHES, _IN_BATCH = 60, 24, 10
#: Conversions are of one of so many newest messages.
_RECENT = 3_000
#: A number is forgotten every so many seconds. The numbers come from a range of their own.
_FORGET_EVERY_S, _NUMBERS, _FIRST = 15.0, 1_000, 900_000_000


class Load:
    """Reports 300 times a second while the context lasts: new messages, conversions of every kind.

    Args:
        server: is running.
        name: begins the ids of its messages.
        settings: of the server, as OTPCONV_* variables.
        forgets: also forgets a number now and then.

    Attributes:
        acknowledged: how many reports.
        failed: how many requests.
        forgotten: how many numbers.
    """

    def __init__(
        self, server: LocalServer, name: str, settings: Mapping[str, str], *, forgets: bool = False
    ) -> None:
        self._server = server
        self._name = name
        self._settings = settings
        self._took: list[tuple[float, float]] = []
        self._recent = deque([f"{name}0"], maxlen=_RECENT)
        self._stopping, self._keeping = Event(), Event()
        self._threads = [Thread(target=lambda: asyncio.run(self._report()))]
        if forgets:
            self._threads.append(Thread(target=self._forget))
        self.acknowledged = self.failed = self.forgotten = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self.keep()
        for thread in self._threads:
            thread.join()

    def keep(self) -> None:
        """Forget no more numbers."""
        self._keeping.set()

    def p99_ms(self, *windows: tuple[float, float]) -> float:
        """Return how long 99 % of the requests took at most that were sent in windows of `perf_counter`."""
        took = sorted(ms for began, ms in self._took if any(first <= began < end for first, end in windows))
        return round(took[round(0.99 * len(took)) - 1], 1)

    async def _report(self) -> None:
        client = Client(int(self._server.url.rpartition(":")[2]))
        chance = random.Random(3)
        sending: set[asyncio.Task[None]] = set()
        began, number = time.perf_counter(), 0
        while not self._stopping.is_set():
            number += 1
            await asyncio.sleep(max(0.0, began + number / (_SIGNED + _BATCHES) - time.perf_counter()))
            request, expected, count = self._request(number, chance)
            task = asyncio.create_task(self._send(client, request, expected, count))
            sending.add(task)
            task.add_done_callback(sending.discard)
        await asyncio.gather(*sending)

    async def _send(self, client: Client, request: bytes, expected: bytes, count: int) -> None:
        began, failed = time.perf_counter(), client.failed
        self._took.append((began, await client.timed(request, expected)))
        if client.failed == failed:
            self.acknowledged += count
        self.failed = client.failed

    def _request(self, number: int, chance: random.Random) -> tuple[bytes, bytes, int]:
        """Return a request, what its response contains, and how many reports it has."""
        key, secret = self._server.access_key_id, self._server.access_key_secret
        kind = number % (_SIGNED + _BATCHES)
        if kind < _SIGNED:
            parameters = {
                "MessageId": chance.choice(self._recent),
                "Delivered": "true",
                "ConversionTime": str(wall_clock()),
            }
            head = signed(key, secret, "SmsConversion", parameters)
            target = f"/?{urlencode(parameters, quote_via=quote)}"
            return rendered("POST", target, head), b'"ResponseCode":"OK"', 1
        path, items = "messages", [self._message(number * 10 + n, chance) for n in range(_IN_BATCH)]
        if kind % 4 == 0:
            path = "conversions"
            items = [
                {
                    "to": self._number(chance),
                    "delivered": chance.choice((True, True, False)),
                    "conversion_time": wall_clock(),
                }
                for _ in range(_IN_BATCH)
            ]
        head = {**basic(key, secret), "content-type": "application/json"}
        body = json.dumps({path: items}).encode()
        return rendered("POST", f"/v1/{path}", head, body), b'"recorded":', _IN_BATCH

    def _message(self, number: int, chance: random.Random) -> dict[str, object]:
        self._recent.append(f"{self._name}{number}")
        return {
            "message_id": self._recent[-1],
            "to": self._number(chance),
            "requested_at": wall_clock() - chance.randrange(60_000),
            "provider": f"provider {number % 5}",
            "country": chance.choice(("DE", "FR", "BR")),
            "session_id": f"{self._name}s{number // 2}",
            "attempt": number % 2 + 1,
        }

    def _number(self, chance: random.Random) -> str:
        return number_of(_FIRST + chance.randrange(_NUMBERS))

    def _forget(self) -> None:
        while not self._keeping.wait(_FORGET_EVERY_S):
            otpconv(
                *("forget", "--number", number_of(_FIRST + self.forgotten)),
                *("--data", self._server.data),
                settings=self._settings,
            )
            self.forgotten += 1

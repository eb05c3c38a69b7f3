"""Reports of messages to number ranges, some of them pumped, for the API and the page."""

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import httpx

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
PUMPED = ("+491579001", "+491579002")
KNOWN = "+491517007"


def record(client: httpx.Client, reports: Iterable[tuple[dict[str, Any], bool | int]]) -> None:
    """Report messages, and those of them that are verified, after 20 s or a time of their own, ms."""
    every = list(reports)
    messages = [message for message, _ in every]
    conversions = [
        {
            "message_id": message["message_id"],
            "delivered": True,
            "conversion_time": message["requested_at"] + (20_000 if verified is True else verified),
        }
        for message, verified in every
        if verified
    ]
    for path, items in (("messages", messages), ("conversions", conversions)):
        answer = client.post(f"/v1/{path}", json={path: items})
        assert (answer.status_code, answer.json()["rejected"], answer.json().get("ignored", [])) == (
            200,
            [],
            [],
        )


def traffic(now: int, pumped: tuple[str, ...] = PUMPED) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield messages to 40 usual ranges of DE, of which 80 % are verified, and 60 to each pumped one."""
    random = Random(11)
    number = 0
    usual = [f"+4915110{n:02}" for n in range(40)]
    for number_range, requested, share, days in (
        *((each, 20, 0.8, 6) for each in usual),
        (KNOWN, 10, 1.0, 12),
        *((each, 60, 0.02, 2) for each in pumped),
    ):
        for _ in range(requested):
            number += 1
            begin = 8 * DAY_MS if days > 7 else 2 * HOUR_MS
            message = {
                "message_id": f"ranges-{number}",
                "requested_at": now - random.randint(begin, begin + (days - 1 if days < 7 else 2) * DAY_MS),
                "to": f"{number_range}{random.randrange(10_000):04}",
                "provider": ("acme", "bravo")[number % 2],
            }
            yield message, random.random() < share


def entered_codes(now: int) -> Iterator[tuple[dict[str, Any], bool | int]]:
    """Yield messages of FR whose codes people enter, and those of hawk, which enters them itself."""
    random = Random(12)
    for n in range(600):
        by_hawk = n % 4 == 0
        message = {
            "message_id": f"entered-{n}",
            "requested_at": now - random.randint(2, 60) * HOUR_MS,
            "country": "FR",
            "provider": "hawk" if by_hawk else "acme",
            "attempt": 1,
        }
        delay = random.lognormvariate(8, 0.1) if by_hawk else random.lognormvariate(9.5, 0.8)
        yield message, round(delay) if random.random() < (0.97 if by_hawk else 0.8) else False

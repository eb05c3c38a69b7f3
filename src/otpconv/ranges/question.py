"""The question about ranges, from the parameters of a URL. Pure."""

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from msgspec import Struct

from otpconv.errors import InvalidRequest
from otpconv.parameters import parse_once
from otpconv.ranges.finding import FLAGGED
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, Span
from otpconv.storage.range_counts import RANGES_KEPT_MS
from otpconv.times import parse_time

#: The window without a start, ms.
WINDOW_MS: Final = 7 * DAY_MS
#: Younger messages may still be verified, ms.
YOUNG_MS: Final = 10 * MINUTE_MS
#: Ranges in an answer: without `limit`, and at most.
LIMIT, MAX_LIMIT = 100, 1_000
_PARAMETERS = ("start", "end", "country", "min_posterior", "limit", "format")
#: Characters of a probability at most.
_SHARE_CHARS = 30


class Question(Struct, frozen=True):
    """Which ranges to show.

    Attributes:
        span: the window of the messages, ms, whole hours; None: the usual one.
        country: ISO 3166 alpha-2; empty: unknown; None: all.
        min_posterior: the least posterior.
        limit: the most ranges.
        format: json or csv.
    """

    span: Span | None
    country: str | None
    min_posterior: float
    limit: int
    format: str


def usual_span(now: int) -> Span:
    """Return the usual window at a time, ms: the last 7 days, but for messages that may still be verified."""
    end = max(HOUR_MS, (now - YOUNG_MS) // HOUR_MS * HOUR_MS)
    return max(0, end - WINDOW_MS), end


def parse_question(parameters: Iterable[tuple[str, str]], now: int) -> Question:
    """Parse the parameters of a URL.

    Args:
        parameters: names and values.
        now: the time now, ms.

    Raises:
        InvalidRequest: a parameter is unknown, repeated or malformed.
    """
    given = parse_once(parameters, _PARAMETERS)
    country = given.get("country")
    if country is not None and not re.fullmatch(r"(?:[A-Za-z]{2})?", country):
        raise InvalidRequest(f"Invalid country {country[:40]!r}. Use two letters, e.g. DE.")
    wanted = given.get("format", "json")
    if wanted not in {"json", "csv"}:
        raise InvalidRequest(f"Invalid format {wanted[:40]!r}. Use json or csv.")
    return Question(
        _span(given, now),
        None if country is None else country.upper(),
        _share(given["min_posterior"]) if "min_posterior" in given else FLAGGED,
        _limit(given["limit"]) if "limit" in given else LIMIT,
        wanted,
    )


def _span(given: dict[str, str], now: int) -> Span | None:
    if not {"start", "end"} & given.keys():
        return None
    latest = usual_span(now)[1]
    end = parse_time(given["end"], "end", now=now) if "end" in given else now
    end = min(latest, -(-end // HOUR_MS) * HOUR_MS)
    start = parse_time(given["start"], "start", now=now) if "start" in given else max(0, end - WINDOW_MS)
    start = start // HOUR_MS * HOUR_MS
    if start >= end:
        raise InvalidRequest(
            f"start ({start}) must be before end ({end}), both in ms UTC. The messages of the last hour are"
            " too young to judge."
        )
    if start < now - RANGES_KEPT_MS:
        raise InvalidRequest(
            f"start is too long ago: messages are counted by range for {RANGES_KEPT_MS // DAY_MS} days."
        )
    return start, end


def _share(text: str) -> float:
    # `float` also takes words, such as nan, and underscores.
    if len(text) <= _SHARE_CHARS and re.fullmatch(r"[0-9.]+(?:[eE][-+]?[0-9]+)?", text):
        with suppress(ValueError):
            if float(text) <= 1:
                return float(text)
    raise InvalidRequest(f"Invalid min_posterior {text[:40]!r}. Use a probability from 0 to 1, e.g. 0.95.")


def _limit(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,9}", text) and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    raise InvalidRequest(f"Invalid limit {text[:40]!r}. Use a whole number from 1 to {MAX_LIMIT:,}.")

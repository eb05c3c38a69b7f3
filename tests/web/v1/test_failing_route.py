"""The advice about a message on a failing route names the failure and its dashboard; in a real ledger."""

import re
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import parse_qsl, urlsplit

import pytest

from benchmarks.worlds import World
from otpconv.dialects.native.answers import MessageOut
from otpconv.rates.current import CurrentSignals
from otpconv.rates.evidence import find_evidence
from otpconv.rates.fetch import learn_maturity
from otpconv.rates.question import RateQuery
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS, MINUTE_MS
from otpconv.storage.sqlite import SqliteLedgerReader
from otpconv.times import parse_time
from otpconv.web.pages.dashboard.view import parse_view
from otpconv.web.v1.known import add_stories, message_out

NOW = 1_795_737_600_000
#: Messages of each kind to look at.
SOME = 5


@pytest.fixture(scope="module")
def world() -> World:
    return World(1, NOW, "route", messages=15_000)


@pytest.fixture(scope="module")
def ledger(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteLedgerReader]:
    data = tmp_path_factory.mktemp("failing")
    world.fill(data)
    with closing(SqliteLedgerReader(data / "ledger.sqlite")) as opened:
        yield opened


def overdue(world: World, ledger: SqliteLedgerReader, *, failing: bool) -> list[MessageOut]:
    """Return some overdue messages from the time of the failure, with their stories."""
    wanted = world.fault or {}
    found = []
    for stored in ledger.messages(1):
        sent = stored.state.requested.requested_at if stored.state.requested else 0
        if not world.outage[0] + 10 * MINUTE_MS <= sent < world.now - HOUR_MS:
            continue
        message = message_out(stored.message_id, None, stored)
        affected = all(getattr(message, name) == value for name, value in wanted.items())
        if affected == failing and not message.verified:
            found.append(message)
    add_stories(ledger, CurrentSignals(), 1, found[:SOME], [], world.now)
    assert {message.status for message in found[:SOME]} == {"overdue"}
    return found[:SOME]


def test_a_message_on_a_failing_route_names_the_failure_and_its_dashboard(
    world: World, ledger: SqliteLedgerReader
) -> None:
    for message in overdue(world, ledger, failing=True):
        (since,) = re.findall(r"are failing since about (\S+):", message.advice)
        assert abs(parse_time(since, "since", now=world.now) - world.outage[0]) <= 30 * MINUTE_MS
        assert message.dashboard is not None
        filters = parse_qsl(urlsplit(message.dashboard).query, keep_blank_values=True)
        assert world.is_named_by(dict(filters))
        assert dict(parse_view(filters, world.now).filters) == dict(filters)


def test_other_messages_name_a_failure_only_where_the_dashboard_does(
    world: World, ledger: SqliteLedgerReader
) -> None:
    # The dashboard may also name a healthy route by chance; `benchmarks/verdicts.py` measures how often.
    maturity = learn_maturity(ledger, 1, {}, end=world.now, now=world.now)
    query = RateQuery(world.now - DAY_MS, world.now)
    named = find_evidence(ledger, 1, query, maturity, world.now).now.drops
    healthy = 0
    for message in overdue(world, ledger, failing=False):
        values = {name: getattr(message, name) or "" for name in DIMENSIONS}
        is_named = any(drop.slice.covers(values) for drop in named)
        assert ("failing" in message.advice, message.dashboard is not None) == (is_named, is_named)
        healthy += not is_named
    assert healthy > 0

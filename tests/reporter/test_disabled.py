"""A disabled reporter: the same calls, the same refusals; it counts what it drops, and says so."""

import asyncio
import logging
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from otpconv.reporter import MEMORY, AsyncReporter, Reporter

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=5),
    st.sampled_from(["m1", "DE", "+4915112345678", 1_700_000_000_000, "x" * 300]),
)
CONVERSIONS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("message_id", "delivered", "conversion_time", "to"), ANYTHING)
)
OPTIONAL = ("requested_at", "to", "country", "carrier", "provider", "channel", "session_id", "attempt")
MESSAGES = st.fixed_dictionaries({"message_id": ANYTHING}, optional=dict.fromkeys(OPTIONAL, ANYTHING))


@pytest.fixture(scope="module")
def working() -> Reporter:
    """Not disabled, but nothing leaves it."""
    reporter = Reporter("http://127.0.0.1:9", "id", "secret", spool=MEMORY)
    reporter.degrade()
    return reporter


def raised(call: object, arguments: dict[str, object]) -> str:
    try:
        call(**arguments)  # type: ignore[operator]
    except (TypeError, ValueError) as error:
        return repr(error)
    return ""


@given(conversion=CONVERSIONS, message=MESSAGES)
def test_it_refuses_what_a_working_reporter_refuses_in_the_same_words(
    working: Reporter, conversion: dict[str, object], message: dict[str, object]
) -> None:
    disabled = Reporter(disabled=True)
    refusals = [raised(disabled.report, conversion), raised(disabled.requested, message)]
    assert refusals == [raised(working.report, conversion), raised(working.requested, message)]
    dropped = refusals.count("")
    assert disabled.stats().lost == ({"disabled": dropped} if dropped else {})


@pytest.mark.parametrize("dialect", [None, "native", "alibaba"])
def test_it_counts_what_it_drops_and_says_that_it_is_disabled(
    dialect: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = threading.active_count()
    with Reporter(disabled=True, dialect=dialect) as reporter:  # type: ignore[arg-type]
        reporter.start()
        reporter.requested("m1", to="+4915112345678")
        reporter.report("m1")
        reporter.degrade()
        reporter.report("m1", delivered=False)
        reporter.restore()
        assert reporter.flush(0.1)
        stats = reporter.stats()
        assert (stats.disabled, stats.lost, stats.reported, stats.pending) == (True, {"disabled": 3}, 0, 0)
        assert (stats.last_error, stats.durable) == ("", False)
        assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []


def test_the_same_for_asyncio() -> None:
    async def run() -> dict[str, int]:
        async with AsyncReporter(disabled=True) as reporter:
            await reporter.requested("m1")
            await reporter.report("m1")
            with pytest.raises(ValueError, match="message_id"):
                await reporter.report("")
            return reporter.stats().lost

    assert asyncio.run(run()) == {"disabled": 2}


def test_it_works_on_in_the_child_of_a_fork() -> None:
    reporter = Reporter(disabled=True)
    reporter.report("m1")
    child = os.fork()
    if not child:
        reporter.report("m2")
        os._exit(0 if reporter.stats().lost == {"disabled": 1} and reporter.flush(0.1) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_the_log_says_it_in_one_line_however_much_is_dropped(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTPCONV_ENDPOINT", raising=False)
    reporter = Reporter(disabled=True)
    for number in range(100):
        reporter.report(f"m{number}")
    (line,) = caplog.records
    assert line.levelno == logging.WARNING
    assert "nothing is reported" in line.getMessage()
    assert "OTPCONV_ENDPOINT" in line.getMessage()


def test_a_reporter_that_works_is_not_disabled(working: Reporter) -> None:
    assert not working.stats().disabled


def test_without_an_endpoint_the_error_says_how_to_disable_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTPCONV_ENDPOINT", raising=False)
    with pytest.raises(ValueError, match="disabled=True"):
        Reporter()

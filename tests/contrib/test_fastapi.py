"""FastAPI: the lifespan opens and closes a reporter, and end points are given it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from otpconv.contrib.fastapi import Reporter, get_reporter, lifespan
from otpconv.reporter import AsyncReporter

Arrived = Callable[[int, int], None]


def application(options: dict[str, str]) -> FastAPI:
    """An application with a lifespan of its own."""

    @asynccontextmanager
    async def its_own(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan(app, **options):
            yield

    return with_endpoints(FastAPI(lifespan=its_own))


def with_endpoints(app: FastAPI) -> FastAPI:
    """Add a login flow."""

    @app.post("/send/{message_id}")
    async def send(message_id: str, reporter: Reporter) -> None:
        await reporter.requested(message_id, to="+4915112345678", provider="acme")

    @app.post("/verified/{message_id}")
    async def verified(message_id: str, reporter: Reporter) -> None:
        await reporter.report(message_id)

    return app


async def log_in_twice(app: FastAPI) -> None:
    """Let two users ask for a code, of whom one types it back."""
    async with AsyncClient(transport=ASGITransport(app), base_url="http://shop") as browser:
        assert (await browser.post("/send/a")).status_code == 200
        assert (await browser.post("/send/b")).status_code == 200
        await asyncio.sleep(0.002)  # a user takes longer
        assert (await browser.post("/verified/a")).status_code == 200


async def live(app: FastAPI) -> None:
    """Let an application begin, serve, and end."""
    async with app.router.lifespan_context(app):
        await log_in_twice(app)


def test_end_points_report_through_the_application_s_reporter(
    options: dict[str, str], arrived: Arrived
) -> None:
    asyncio.run(live(application(options)))
    arrived(2, 1)


def test_our_lifespan_alone_takes_the_environment(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, arrived: Arrived
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    asyncio.run(live(with_endpoints(FastAPI(lifespan=lifespan))))
    arrived(2, 1)


def test_the_end_of_the_application_delivers_what_is_only_in_memory(
    options: dict[str, str], arrived: Arrived
) -> None:
    asyncio.run(live(application(options | {"spool": ":memory:"})))
    arrived(2, 1)


def test_a_test_may_put_another_reporter_in_its_place(options: dict[str, str], arrived: Arrived) -> None:
    async def run() -> None:
        app = with_endpoints(FastAPI())
        async with AsyncReporter(**options) as other:
            app.dependency_overrides[get_reporter] = lambda: other
            await log_in_twice(app)

    asyncio.run(run())
    arrived(2, 1)


def test_an_application_without_the_lifespan_is_told_what_is_missing() -> None:
    with pytest.raises(RuntimeError, match="lifespan=lifespan"):
        asyncio.run(log_in_twice(with_endpoints(FastAPI())))


def test_without_an_endpoint_an_application_works_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = with_endpoints(FastAPI(lifespan=lifespan))
    asyncio.run(live(app))
    assert (app.state.otpconv.stats().disabled, app.state.otpconv.stats().lost) == (True, {"disabled": 3})
    assert caplog.text.count("nothing is reported: no endpoint") == 1


def test_an_endpoint_without_a_key_is_told_when_the_application_begins() -> None:
    with pytest.raises(ValueError, match="no access key"):
        asyncio.run(live(application({"endpoint": "http://127.0.0.1:9"})))

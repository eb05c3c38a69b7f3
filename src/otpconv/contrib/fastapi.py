"""FastAPI: `FastAPI(lifespan=lifespan)`, and an end point that takes `reporter: Reporter`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.requests import HTTPConnection

from otpconv.reporter import AsyncReporter


@asynccontextmanager
async def lifespan(app: FastAPI, **options: Any) -> AsyncIterator[None]:  # noqa: ANN401 - AsyncReporter checks them
    """Open the application's reporter, and close it when the application ends.

    In a lifespan of your own: `async with lifespan(app): yield`.

    Args:
        app: the application.
        options: arguments of `AsyncReporter`; what is left out is taken from the environment.
    """
    async with AsyncReporter(**options) as reporter:
        app.state.otpconv = reporter
        yield


async def get_reporter(connection: HTTPConnection) -> AsyncReporter:
    """Return the application's reporter; `app.dependency_overrides` takes this function.

    Raises:
        RuntimeError: the application was made without our lifespan.
    """
    reporter = getattr(connection.app.state, "otpconv", None)
    if not isinstance(reporter, AsyncReporter):
        raise RuntimeError("there is no reporter: make the application as FastAPI(lifespan=lifespan)")  # noqa: TRY004
    return reporter


#: What an end point takes to report: `async def verified(message_id: str, reporter: Reporter)`.
Reporter = Annotated[AsyncReporter, Depends(get_reporter)]

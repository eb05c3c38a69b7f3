"""FastAPI: `FastAPI(lifespan=lifespan)`, and an endpoint that takes `reporter: Reporter`.

Without `OTPCONV_ENDPOINT` the reporter is disabled, and the log says so once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.requests import HTTPConnection

from otpconv.contrib.unconfigured import disabled_without_endpoint
from otpconv.reporter import AsyncReporter


@asynccontextmanager
async def lifespan(app: FastAPI, **options: Any) -> AsyncIterator[None]:  # noqa: ANN401 - AsyncReporter checks them
    """Open the application's reporter, and close it when the application ends.

    In a lifespan of your own: `async with lifespan(app): yield`.

    Args:
        app: the application.
        options: arguments of `AsyncReporter`; missing ones are read from the environment. The reporter is
            disabled if neither names an endpoint.

    Raises:
        TypeError: an option is not an argument of `AsyncReporter`, or has another type.
        ValueError: the settings are wrong or incomplete.
    """
    async with AsyncReporter(**disabled_without_endpoint(options)) as reporter:
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


#: What an endpoint takes to report: `async def check_code(code: Code, reporter: Reporter)`.
Reporter = Annotated[AsyncReporter, Depends(get_reporter)]

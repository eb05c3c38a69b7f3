"""The options by which sub-commands find a server, and the client that they make."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from otpconv.cli.client import Client
from otpconv.cli.options import (
    DEFAULT_ENDPOINT,
    DEFAULT_KEY_FILE,
    AccessKeyId,
    AccessKeySecret,
    Endpoint,
    KeyFile,
)


def with_client(command: Callable[..., None]) -> Callable[..., None]:
    """Let a sub-command have the options of a client, and give it the client as `client`."""
    parameters = [each for each in inspect.signature(command).parameters.values() if each.name != "client"]
    place = next((place for place, each in enumerate(parameters) if each.name == "json"), len(parameters))
    parameters[place:place] = inspect.signature(_options).parameters.values()

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - as the command has them
        names = inspect.signature(_options).parameters
        client = Client(**{name: given.pop(name) for name in names})
        command(client=client, **given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _options(
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    access_key_id: AccessKeyId = None,
    access_key_secret: AccessKeySecret = None,
    key_file: KeyFile = DEFAULT_KEY_FILE,
) -> None:
    """Have the options of a client."""

"""What an application gets that does not say where reports go: a disabled reporter, and a line in the log."""

from collections.abc import Mapping
from typing import Any

from otpconv.delivery import environment


def disabled_without_endpoint(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a reporter, disabled if neither they nor the environment name an endpoint.

    Args:
        options: arguments of `Reporter`; `disabled` among them stays as it is.
    """
    given = options.get("endpoint") or options.get("region") or environment.endpoint()
    return {"disabled": not given, **options}

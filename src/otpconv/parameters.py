"""Parameters of URLs that may be given once."""

from collections.abc import Collection, Iterable

from otpconv.errors import InvalidRequest


def parse_once(parameters: Iterable[tuple[str, str]], known: Collection[str]) -> dict[str, str]:
    """Return the values of parameters by their names.

    Args:
        parameters: names and values, in the order of the URL.
        known: the names that there are, in the order of the error.

    Raises:
        InvalidRequest: a parameter is unknown or repeated.
    """
    given: dict[str, str] = {}
    for name, value in parameters:
        if name not in known or name in given:
            raise InvalidRequest(
                f"Unknown or repeated parameter {name[:40]!r}. Use {', '.join(known)}, each once."
            )
        given[name] = value
    return given

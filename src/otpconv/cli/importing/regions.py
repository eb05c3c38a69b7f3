"""National numbers in a file or an option, as `--region` says whose they are."""

from collections.abc import Callable

from otpconv.errors import InvalidNumber, Misconfigured


def international_in(region: str) -> Callable[[str], str]:
    """Return what writes national numbers of a region in E.164; a number that it can't read stays as it is.

    Raises:
        Misconfigured: there is no such region, or the number plans are not installed.
    """
    if not region:
        return str
    try:
        from otpconv.phone import parse, region_of
    except ImportError:
        raise Misconfigured(
            "--region needs the number plans of the server: pip install 'otpconv[server]'"
        ) from None
    known = region_of(region)

    def international(number: str) -> str:
        try:
            return parse(number, known).e164
        except InvalidNumber:
            return number  # the server says why

    return international

"""The routing table: which dialect a request belongs to."""

from collections.abc import Sequence
from typing import Any, Final

from otpconv.dialects.alibaba.dialect import AlibabaDialect
from otpconv.dialects.dialect import Dialect, HttpRequest

#: The dialects of the path `/`, which several vendors use. A dialect that recognizes its requests by a header
#: or a parameter, e.g. `X-Amz-Target` or `X-TC-Action`, comes before the last one, which takes all others.
AT_ROOT: Final[tuple[Dialect[Any], ...]] = (AlibabaDialect(),)
#: The dialects of all other paths; no two of them claim the same request.
BY_PATH: Final[tuple[Dialect[Any], ...]] = ()
#: Every dialect.
DIALECTS: Final = (*BY_PATH, *AT_ROOT)


def route(request: HttpRequest, dialects: Sequence[Dialect[Any]] | None = None) -> Dialect[Any] | None:
    """Return the first dialect that claims a request; None if it is in none of them.

    Args:
        request: with its body if that was read; see `Dialect.claims`.
        dialects: those to choose from; None for all.
    """
    if dialects is None:
        dialects = AT_ROOT if request.path == "/" else BY_PATH
    for dialect in dialects:
        if dialect.claims(request):
            return dialect
    return None

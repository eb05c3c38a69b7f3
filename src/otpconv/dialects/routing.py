"""The routing table: which dialect a request belongs to."""

from collections.abc import Sequence
from typing import Any, Final

from otpconv.dialects.alibaba.dialect import AlibabaDialect
from otpconv.dialects.dialect import Dialect, HttpRequest

#: Every dialect. Several vendors use the path `/`. A dialect that recognizes its requests by a header or a
#: parameter, e.g. `X-Amz-Target` or `X-TC-Action`, comes before the last one, which takes all others at `/`.
DIALECTS: Final[tuple[Dialect[Any], ...]] = (AlibabaDialect(),)


def route(request: HttpRequest, dialects: Sequence[Dialect[Any]] = DIALECTS) -> Dialect[Any] | None:
    """Return the first dialect that claims a request; None if it is in none of them."""
    for dialect in dialects:
        if dialect.claims(request):
            return dialect
    return None

"""What the endpoint calls for operations that don't report."""

from collections.abc import Awaitable
from typing import Any, Protocol

from starlette.types import Scope

from otpconv.access.keys import AccessKey
from otpconv.dialects.dialect import HttpRequest, HttpResponse


class OtherOperation(Protocol):
    """An operation that does not report, and that a signed call may do once."""

    def __call__(
        self,
        call: Any,  # noqa: ANN401 - of one dialect
        key: AccessKey,
        *,
        scope: Scope,
        request_id: str,
        now: int,
    ) -> HttpResponse:
        """Return the response to a verified call at the time `now` (ms UTC).

        Raises:
            Refused: the call is refused.
        """


class Question(Protocol):
    """An operation that waits for its answer, e.g. of the ledger. It checks the permission itself."""

    def __call__(
        self,
        call: Any,  # noqa: ANN401 - of one dialect
        key: AccessKey,
        *,
        scope: Scope,
        request: HttpRequest,
        now: int,
    ) -> Awaitable[HttpResponse]:
        """Return the response to a verified call at the time `now` (ms UTC).

        Raises:
            OtpconvError: the call is refused, or there is no answer.
        """

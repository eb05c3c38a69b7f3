"""The parts that the dialects of most vendors have in common."""

from collections.abc import Callable
from typing import Generic

from otpconv.dialects.dialect import CallT, HttpRequest, HttpResponse
from otpconv.dialects.error_table import ErrorKind, ErrorTable
from otpconv.dialects.responses import empty_response, json_response, retry_after


class ServerApi:
    """An API that is not for browsers."""

    def preflight(self) -> HttpResponse:
        """Return the response to OPTIONS, which allows a browser nothing."""
        return empty_response(204)


class JsonApi(ServerApi, Generic[CallT]):
    """An API whose errors are all JSON of one form.

    Args:
        errors: finds the vendor's error.
        members: returns the JSON for the vendor's error, the text for the caller, the id of the request, and
            the call, if it could be read.
    """

    def __init__(
        self, errors: ErrorTable, members: Callable[[ErrorKind, str, str, CallT | None], object]
    ) -> None:
        self._errors = errors
        self._members = members

    def failure(
        self,
        error: Exception,
        request_id: str,
        *,
        request: HttpRequest,  # noqa: ARG002 - the error alone decides
        call: CallT | None,
        public_url: str,
    ) -> HttpResponse:
        """Return the response to a request that was refused or failed."""
        kind, text = self._errors.find(error, public_url)
        members = self._members(kind, text, request_id, call)
        return json_response(kind.status, members, code=kind.code, headers=retry_after(error))

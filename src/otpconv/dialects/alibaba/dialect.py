"""Alibaba Cloud's RPC API as a `Dialect`."""

from collections.abc import Sequence

from otpconv.dialects.alibaba.wire import response
from otpconv.dialects.alibaba.wire.actions import read_report
from otpconv.dialects.alibaba.wire.call import Call
from otpconv.dialects.alibaba.wire.request import answers_xml, read
from otpconv.dialects.dialect import HashNumber, HttpRequest, HttpResponse, Outcome
from otpconv.model import Report


class AlibabaDialect:
    """The protocol of `Dialect`, implemented by the functions of `wire`."""

    def claims(self, request: HttpRequest) -> bool:
        """Return whether the request is for the path `/`, but not a browser that opens the start page.

        V1 may carry all its parameters in the body, and a request without an action gets Alibaba's error. So
        no header and no parameter of the query has to be there.
        """
        return request.path == "/" and not (request.method == "GET" and _opens_the_page(request))

    def preflight(self) -> HttpResponse:
        """Return the response to OPTIONS."""
        return response.preflight()

    def read(self, request: HttpRequest) -> Call:
        """Return the call; raises `GatewayError`."""
        return read(request.method, request.query, request.fields, request.body)

    def reports(
        self, call: Call, account: int, now: int, number_hash: HashNumber, region: str
    ) -> Sequence[Report]:
        """Return the one report of a call; raises what `actions.report` raises."""
        return (read_report(call, account, now, number_hash, region),)

    def success(self, call: Call, request_id: str, outcomes: Sequence[Outcome]) -> HttpResponse:  # noqa: ARG002 - a repeat gets the same response
        """Return the response to a call whose report is durable."""
        return response.success(call, request_id)

    def failure(
        self, error: Exception, request_id: str, *, request: HttpRequest, call: Call | None, public_url: str
    ) -> HttpResponse:
        """Return the response to a request that was refused or failed, in the format that it asks for."""
        return response.failure(
            error,
            request_id,
            call=call,
            host_id=request.fields.get(b"host", b"").decode("latin-1"),
            recommend_base=public_url,
            xml=call is None and answers_xml(request.query, request.fields, request.body),
        )


def _opens_the_page(request: HttpRequest) -> bool:
    """Return whether a GET without parameters asks for HTML, and has none of the headers of a call."""
    return (
        not request.query
        and b"text/html" in request.fields.get(b"accept", b"")
        and b"authorization" not in request.fields
        and not any(name.startswith(b"x-acs-") for name in request.fields)
    )

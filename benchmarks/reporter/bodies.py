"""What a client's request carried: the message ids in it, by the path it was sent to."""

import json
from collections.abc import Callable, Iterator


def message_ids(path: str, body: bytes) -> Iterator[str]:
    """Return the ids in a request's body; a path nobody knows has none."""
    reader = _READERS.get(path)
    return reader(body) if reader else iter(())


def lines_in(body: bytes) -> list[bytes]:
    """Return the lines of a body that holds an object a line."""
    return [line for line in body.split(b"\n") if line]


def _otpconv(body: bytes) -> Iterator[str]:
    for line in lines_in(body):
        yield json.loads(line)["message_id"]


def _properties(body: bytes) -> Iterator[str]:
    for event in json.loads(body)["batch"]:
        yield event["properties"]["message_id"]


def _sentry(body: bytes) -> Iterator[str]:
    """Read an envelope: a header, then items, each a header that says its length and a payload."""
    _, _, rest = body.partition(b"\n")
    while rest:
        line, _, rest = rest.partition(b"\n")
        if not line:
            continue
        header = json.loads(line)
        size = header.get("length", rest.find(b"\n") if b"\n" in rest else len(rest))
        payload, rest = rest[:size], rest[size + 1 :]
        if header["type"] == "event":
            yield json.loads(payload)["message"].rpartition(" ")[2]


def _opentelemetry(body: bytes) -> Iterator[str]:
    # Whoever sends such a body has the package.
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415
        ExportTraceServiceRequest,
    )

    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                (found,) = (a.value.string_value for a in span.attributes if a.key == "message_id")
                yield found


_READERS: dict[str, Callable[[bytes], Iterator[str]]] = {
    "/v1/conversions": _otpconv,
    "/v1/messages": _otpconv,
    "/batch/": _properties,
    "/v1/batch": _properties,
    "/api/1/envelope/": _sentry,
    "/v1/traces": _opentelemetry,
}

"""The clients that are compared: each as its documentation sets it up for production, pointed at one URL."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple, Protocol

import otpconv

#: How long a client may take to bring away what it holds, s.
_CLOSE_S = 20.0


class Client(Protocol):
    """Takes reports and delivers them in the background."""

    def enqueue(self, message_id: str) -> object:
        """Take a report that a message's code was used: the call that is measured."""
        ...

    def close(self) -> None:
        """Deliver waiting reports, as an application does before it ends."""
        ...


class Otpconv:
    """This project's reporter, with a spool on the disk or in memory."""

    def __init__(self, url: str, spool: str) -> None:
        from otpconv.reporter import Reporter  # noqa: PLC0415 - each client is imported by its own process

        self._reporter = Reporter(endpoint=url, access_key_id="id", access_key_secret="secret", spool=spool)  # noqa: S106
        self._report = self._reporter.report

    def enqueue(self, message_id: str) -> object:
        """Spool a conversion."""
        return self._report(message_id, delivered=True)

    def close(self) -> None:
        """Flush, then close."""
        self._reporter.flush(timeout=_CLOSE_S)
        self._reporter.close(timeout=_CLOSE_S)


class Posthog:
    """`posthog.capture`."""

    def __init__(self, url: str, _spool: str) -> None:
        import posthog  # noqa: PLC0415 - it may be missing

        posthog.api_key = "phc_loopback"
        posthog.host = url
        self._posthog = posthog

    def enqueue(self, message_id: str) -> object:
        """Capture an event."""
        properties = {"message_id": message_id, "delivered": True}
        return self._posthog.capture("otp converted", distinct_id="login", properties=properties)

    def close(self) -> None:
        """Shut down."""
        self._posthog.shutdown()


class Segment:
    """Segment's `analytics.track`."""

    def __init__(self, url: str, _spool: str) -> None:
        from segment import analytics  # noqa: PLC0415 - it may be missing

        analytics.write_key = "loopback"
        analytics.host = url
        self._analytics = analytics

    def enqueue(self, message_id: str) -> object:
        """Track an event."""
        return self._analytics.track("login", "otp converted", {"message_id": message_id, "delivered": True})

    def close(self) -> None:
        """Shut down."""
        self._analytics.shutdown()


class Sentry:
    """Sentry's `capture_message`, with the default integrations."""

    def __init__(self, url: str, _spool: str) -> None:
        import sentry_sdk  # noqa: PLC0415 - it may be missing

        sentry_sdk.init(dsn=url.replace("://", "://key@") + "/1")
        self._sentry = sentry_sdk

    def enqueue(self, message_id: str) -> object:
        """Capture a message; what it is about stands in its text, as it has no fields of its own."""
        return self._sentry.capture_message(f"otp converted {message_id}")

    def close(self) -> None:
        """Flush."""
        self._sentry.flush(_CLOSE_S)


class OpenTelemetry:
    """OpenTelemetry's batch span processor, OTLP by HTTP: a report is a span that is started and ended."""

    def __init__(self, url: str, _spool: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - it may be missing
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - it may be missing
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - it may be missing

        self._provider = TracerProvider()
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces")))
        self._tracer = self._provider.get_tracer("benchmarks")

    def enqueue(self, message_id: str) -> object:
        """Start a span and end it."""
        attributes: dict[str, str | bool] = {"message_id": message_id, "delivered": True}
        return self._tracer.start_span("otp converted", attributes=attributes).end()

    def close(self) -> None:
        """Shut down."""
        self._provider.shutdown()


class Kind(NamedTuple):
    """A client that can be measured: the distribution it comes in, how it is made, where it spools."""

    distribution: str
    make: Callable[[str, str], Client]
    spool: str = ""


#: Ours: the one that is compared with the others, and its cost without a disk.
DURABLE, IN_MEMORY = OURS = ("otpconv", "otpconv, in memory")

CLIENTS: dict[str, Kind] = {
    DURABLE: Kind("otpconv", Otpconv, spool="on disk"),
    IN_MEMORY: Kind("otpconv", Otpconv, spool=":memory:"),
    "posthog": Kind("posthog", Posthog),
    "segment": Kind("segment-analytics-python", Segment),
    "sentry": Kind("sentry-sdk", Sentry),
    "opentelemetry": Kind("opentelemetry-exporter-otlp-proto-http", OpenTelemetry),
}


def installed(name: str) -> str | None:
    """Return the version of a client; None when it is not installed."""
    if name in OURS:
        return otpconv.__version__
    try:
        return version(CLIENTS[name].distribution)
    except PackageNotFoundError:
        return None

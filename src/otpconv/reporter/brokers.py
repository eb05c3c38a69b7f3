"""Publishing reports to a broker."""

from otpconv.reporter.transport import Transport

SCHEMES = ("amqp", "amqps", "nats", "tls", "redis", "rediss", "kafka")


def broker_transport(url: str, *, timeout_ms: int) -> Transport:
    """Return a transport that publishes to the broker at this URL."""
    raise NotImplementedError(url, timeout_ms)

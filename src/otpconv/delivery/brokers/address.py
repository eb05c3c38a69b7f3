"""A broker's URL: which library speaks to it, where it is, and which of its streams holds the reports."""

import importlib
import re
from types import ModuleType
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from otpconv.errors import Misconfigured

#: Scheme: the module that speaks to it, and the extra that brings its library.
_BROKERS = {
    "amqp": ("rabbitmq", "amqp"),
    "amqps": ("rabbitmq", "amqp"),
    "nats": ("jetstream", "nats"),
    "tls": ("jetstream", "nats"),
    "redis": ("redis_streams", "redis"),
    "rediss": ("redis_streams", "redis"),
    "kafka": ("kafka", "kafka"),
    "kafkas": ("kafka", "kafka"),
}
SCHEMES = frozenset(_BROKERS)
_DEFAULT_STREAM = "otpconv.reports"
_is_stream = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*").fullmatch
_MAX_STREAM = 100


class Address(Struct, frozen=True):
    """Where reports are published, and taken from.

    Attributes:
        scheme: `amqp`, `nats`, …
        url: for the library, with user and password and without `stream`.
        hosts: host and port; with some brokers several, separated by commas.
        user: who is calling; empty when nobody is named.
        password: the same caller's.
        stream: the queue, the subject, the stream or the topic.
        destination: the whole for people, without user and password.
    """

    scheme: str
    url: str
    hosts: str
    user: str
    password: str
    stream: str
    destination: str

    @property
    def rejected(self) -> "Address":
        """Where the messages go that are set aside."""
        return replace(self, stream=f"{self.stream}.rejected")

    def module(self, room: str) -> ModuleType:
        """Return the module of a room that speaks to this broker.

        Raises:
            Misconfigured: its library is not installed.
        """
        name, extra = _BROKERS[self.scheme]
        try:
            return importlib.import_module(f"{room}.{name}")
        except ModuleNotFoundError as error:
            raise Misconfigured(
                f"{self.scheme}:// needs a library ({error.name} is missing): pip install 'otpconv[{extra}]'"
            ) from None

    def explain(self, error: BaseException) -> str:
        """Return what a library says of a failure, on one line and without the password."""
        text = " ".join(str(error).split()) or type(error).__name__
        for secret in filter(
            None, (self.password, urlsplit(self.url).password)
        ):  # as it is, and as the URL has it
            text = text.replace(secret, "…")
        return text


def parse_address(url: str) -> Address:
    """Return the parts of a broker's URL, e.g. `amqp://user:password@host:5672/vhost?stream=otpconv.reports`.

    Raises:
        Misconfigured: it is of no broker that is known, or malformed. The text repeats nothing of it.
    """
    parts = _split(url)
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    stream = dict(parameters).get("stream", _DEFAULT_STREAM)
    if not _is_stream(stream) or len(stream) > _MAX_STREAM:
        raise Misconfigured(f"?stream= is up to {_MAX_STREAM} letters, digits, _, - and . between them")
    userinfo, _, hosts = parts.netloc.rpartition("@")
    user, _, password = userinfo.partition(":")
    rest = urlencode([(name, value) for name, value in parameters if name != "stream"])
    return Address(
        scheme=parts.scheme,
        url=parts._replace(query=rest, fragment="").geturl(),
        hosts=hosts,
        user=unquote(user),
        password=unquote(password),
        stream=stream,
        destination=f"{parts.scheme}://{hosts}{parts.path}?stream={stream}",
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in _BROKERS or not parts.netloc.rpartition("@")[2]:
        raise Misconfigured(
            f"a broker's URL is SCHEME://[USER:PASSWORD@]HOST[:PORT][?stream=NAME], of {', '.join(_BROKERS)}"
        )
    return parts

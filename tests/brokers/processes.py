"""Real brokers, as processes on free ports with their data in a folder of the tests."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from debian import program

if TYPE_CHECKING:
    # The libraries are imported where they are used: every worker collects this module, and one needs them.
    import nats
    from redis.asyncio import Redis

_T = TypeVar("_T")
_START_S = 60
#: How long a question may take, s: it may be for hundreds of messages, and other tests run at the same time.
_ANSWER_S = 60

USER, PASSWORD = "guest", "guest-pass-word"

#: What waits in a stream, each with its reason to be set aside.
Waiting = list[tuple[bytes, str]]


class Broker(ABC):
    """One broker; its data outlives the process."""

    program = ""
    package = ""
    password = PASSWORD

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def url(self, stream: str, password: str | None = None) -> str:
        """The address of a stream."""

    @abstractmethod
    def command(self) -> list[str]:
        """What runs the broker."""

    @abstractmethod
    async def waiting(self, stream: str) -> Waiting:
        """What waits in a stream, which it leaves."""

    @abstractmethod
    async def limit(self, stream: str, most: int) -> None:
        """Make a stream that holds `most` messages and refuses more; 0 takes the limit away again."""

    def environment(self) -> dict[str, str]:
        return dict(os.environ)  # noqa: TID251

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a broker
                self.command(),
                stdout=log,
                stderr=log,
                env=self.environment(),
                cwd=self.folder,  # a broker that is killed leaves a dump where it runs
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self.ask(lambda: self.waiting("is-it-up"))
            except Exception:  # not yet, says each library in its own way
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.1)
            else:
                return

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def pause(self) -> None:
        """Stop it until SIGCONT: a process may run on for a moment after the signal."""
        assert self._process is not None
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def kill(self) -> None:
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def ask(self, question: Callable[[], Awaitable[_T]]) -> _T:
        """Ask the broker by its own library."""

        async def answer() -> _T:
            async with asyncio.timeout(_ANSWER_S):
                return await question()

        return asyncio.run(answer())


class RabbitMq(Broker):
    program = "rabbitmq-server"
    package = "rabbitmq-server"
    password = "guest"  # noqa: S105 - the one it comes with

    def url(self, stream: str, password: str | None = None) -> str:
        return f"amqp://{USER}:{password or self.password}@127.0.0.1:{self.port}/?stream={stream}"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._distribution, self._names = free_port(), free_port()
        self._epmd: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        # Debian's command in the PATH is for root and the user rabbitmq alone; what it calls is for all.
        inner = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        return [str(inner) if inner.exists() else found(self)]

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"tests{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "ERL_EPMD_PORT": str(self._names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        # As a child: the one that Erlang starts for itself would outlive the tests.
        epmd = program("epmd", "erlang-base")
        self._epmd = subprocess.Popen([epmd], env=self.environment(), cwd=self.folder)  # noqa: S603
        super().start()

    def kill(self) -> None:
        super().kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None

    async def waiting(self, stream: str) -> Waiting:
        import aiormq  # noqa: PLC0415

        got: Waiting = []
        async with aiormq.connect(self.url(stream).partition("?")[0]) as connection:
            channel = await connection.channel()
            try:
                while (message := await channel.basic_get(stream, no_ack=True)).body:
                    headers: Any = message.header.properties.headers or {}
                    got.append((message.body, headers.get("reason", "")))
            except aiormq.ChannelNotFoundEntity:
                pass
        return got

    async def limit(self, stream: str, most: int) -> None:
        import aiormq  # noqa: PLC0415

        if most:
            arguments: Any = {"x-max-length": most, "x-overflow": "reject-publish"}
            async with aiormq.connect(self.url(stream).partition("?")[0]) as connection:
                channel = await connection.channel()
                await channel.queue_declare(stream, durable=True, arguments=arguments)


def stream_of(subject: str) -> str:
    """Return what the reporter calls the stream of a subject."""
    from otpconv.delivery.brokers.jetstream import stream_name  # noqa: PLC0415

    return stream_name(subject)


class Nats(Broker):
    program = "nats-server"
    package = "nats-server"

    def url(self, stream: str, password: str | None = None) -> str:
        return f"nats://{USER}:{password or self.password}@127.0.0.1:{self.port}?stream={stream}"

    def command(self) -> list[str]:
        where = ["-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self.folder / "store")]
        return [found(self), *where, "--user", USER, "--pass", PASSWORD]

    async def _client(self) -> "nats.NATS":
        import nats  # noqa: PLC0415

        return await nats.connect(
            self.url("").partition("?")[0],
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            error_cb=_ignore,
        )

    async def waiting(self, stream: str) -> Waiting:
        name = stream_of(stream)
        client = await self._client()
        try:
            jetstream = client.jetstream()
            if name not in [info.config.name for info in await jetstream.streams_info()]:
                return []
            state = (await jetstream.stream_info(name)).state
            got: Waiting = []
            for number in range(state.first_seq, state.last_seq + 1):
                message = await jetstream.get_msg(name, number)
                got.append((message.data or b"", (message.headers or {}).get("reason", "")))
            await jetstream.purge_stream(name, seq=state.last_seq + 1)
            return got
        finally:
            await client.close()

    async def limit(self, stream: str, most: int) -> None:
        from nats.js.api import DiscardPolicy  # noqa: PLC0415

        if most:
            client = await self._client()
            await client.jetstream().add_stream(
                name=stream_of(stream), subjects=[stream], max_msgs=most, discard=DiscardPolicy.NEW
            )
            await client.close()


class RedisServer(Broker):
    program = "redis-server"
    package = "redis-server"

    def url(self, stream: str, password: str | None = None) -> str:
        return f"redis://:{password or self.password}@127.0.0.1:{self.port}/0?stream={stream}"

    def command(self) -> list[str]:
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        return [
            found(self),
            *where,
            "--requirepass",
            PASSWORD,
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ]

    def _client(self) -> "Redis":
        from redis.asyncio import Redis  # noqa: PLC0415

        return Redis.from_url(self.url("").partition("?")[0])

    async def waiting(self, stream: str) -> Waiting:
        async with self._client() as client:
            entries: Any = await client.xrange(stream)
            await client.delete(stream)
            return [(fields[b"report"], fields.get(b"reason", b"").decode()) for _, fields in entries]

    async def limit(self, stream: str, most: int) -> None:
        del stream
        async with self._client() as client:
            await client.config_set("maxmemory", str(most))


BROKERS = {broker.program: broker for broker in (Nats, RedisServer, RabbitMq)}


def found(broker: Broker | type[Broker]) -> str:
    """The path of a broker's program, which is installed when it is missing and we may."""
    return program(broker.program, broker.package)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _ignore(_: Exception) -> None:
    pass

"""Real receivers of notifications on this machine: an HTTP server, an SMTP server, Debian's Alertmanager."""

import json
import re
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

import httpx
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from debian import program
from faults.bad_server import BadServer, Heard, http
from otpconv.dialects.webhook.signature import verify
from postgresql import free_port

SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of these tests


_LINK = re.compile(r"^https://otpconv\.example/alerts/([0-9]+)\r?$", re.MULTILINE)
_MORE = re.compile(r"And (\d+) more\.")


class Mail:
    """An SMTP server that keeps what it takes.

    Attributes:
        taken: the mails.
    """

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self._lock = threading.Lock()
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        with self._lock:
            self.taken.append(mail)
        return "250 OK"

    @property
    def url(self) -> str:
        """The URL of apprise."""
        address = f"127.0.0.1:{self._controller.port}"
        return f"mailto://{address}/?from=otpconv@example.com&to=oncall@example.com"

    def keys(self) -> Counter[str]:
        """How often each notification came."""
        with self._lock:
            return Counter(str(mail["X-Notification-Id"]) for mail in self.taken)

    def linked(self) -> set[int]:
        """The alerts that the mails link to."""
        with self._lock:
            return {int(number) for mail in self.taken for number in _LINK.findall(mail.get_content())}

    def more(self) -> int:
        """How many alerts the mails only count, since they have no room for them; of repeats, once."""
        with self._lock:
            once = {str(mail["X-Notification-Id"]): mail.get_content() for mail in self.taken}
        return sum(int(number) for text in once.values() for number in _MORE.findall(text))

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


class Hook(BadServer):
    """An HTTP server that takes webhooks, whose signatures it verifies.

    Args:
        slow_s: how long an answer takes.
    """

    def __init__(self, slow_s: float = 0.0) -> None:
        super().__init__()

        def answer(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
            del server, heard
            time.sleep(slow_s)
            connection.sendall(http(200, {}))
            return True

        self.answer = answer

    def bodies(self) -> list[dict[str, Any]]:
        """The bodies so far, as JSON."""
        return [verified(heard) for heard in [*self.heard]]

    def keys(self) -> Counter[str]:
        """How often each notification came."""
        return Counter(body["id"] for body in self.bodies())


def verified(heard: Heard) -> dict[str, Any]:
    """Return the body of a request whose signature is right."""
    fields = {name.lower().encode(): value.encode() for name, value in heard.headers}
    time_ms = int(fields[b"webhook-timestamp"]) * 1000
    assert verify(SIGNING_SECRET, fields, heard.body, time_ms)
    body: dict[str, Any] = json.loads(heard.body)
    assert body["id"] == fields[b"webhook-id"].decode()
    return body


@contextmanager
def alertmanager(folder: Path) -> Iterator[str]:
    """Run Debian's Alertmanager, and give its URL."""
    config = folder / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    address = f"127.0.0.1:{free_port()}"
    command = [
        program("prometheus-alertmanager", "prometheus-alertmanager"),
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        "--log.level=error",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    url = f"http://{address}"
    try:
        for _ in range(200):
            try:
                if httpx.get(f"{url}/-/ready").is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


def firing(url: str) -> dict[int, dict[str, Any]]:
    """Return the alerts that fire in an Alertmanager, by otpconv's ids."""
    alerts = httpx.get(f"{url}/api/v2/alerts").json()
    return {
        int(alert["labels"]["otpconv_alert"]): alert for alert in alerts if "otpconv_alert" in alert["labels"]
    }

"""A server on a large ledger, with a key of each kind, which can be created again after a case broke it."""

import http.client
import re
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.dataset import DAYS, fill
from benchmarks.worst_cases.traffic import Traffic, basic
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.service.opening import open_directory, open_key_store

DAY_MS = 86_400_000
#: How long a server may take after a case until it is as before, s; then it is killed.
_RECOVERY_S = 6.0
_VERIFIED = 0.2
_ROLE_S = 3_600


@dataclass(frozen=True)
class Visit:
    """A sign-in to the pages: its cookie, and the token of its forms."""

    cookie: str
    token: str


class World:
    """A data folder of `messages`, and a server on a copy of it.

    Attributes:
        messages: in the ledger.
        now: when the ledger was made, ms; its messages are from the `DAYS` before.
        administrator: the key that may everything.
        reporter: the key that may only report.
        reader: the key that may only read.
        role: the name of a role that the administrator may assume, as an ARN.
    """

    def __init__(self, folder: Path, messages: int) -> None:
        """Make the data folder below `folder`."""
        self._template = folder / "template"
        self._data = folder / "data"
        self.messages = messages
        with LocalServer(self._template) as first:
            administrator = first.access_key_id, first.access_key_secret
        settings = load(data=self._template)
        store = open_key_store(settings)
        account = store.list()[0].account_name
        self.administrator = administrator
        self.reporter = _pair(store.create(account, "reporter", "OtpconvReportOnly"))
        self.reader = _pair(store.create(account, "reader", "OtpconvReadOnly"))
        store.close()
        directory = open_directory(settings)
        role = directory.create_role(account, "worst", _ROLE_S)
        directory.close()
        self.role = f"acs:ram::{role.account}:role/worst"
        self.now = wall_clock()
        fill(self._template, messages, self.now, verified=_VERIFIED)
        self._server: LocalServer | None = LocalServer(self._template)
        # The first start brings a month of minutes into quarters of an hour, which takes the applier seconds.
        self._server.start()
        while not self.recovered():
            pass
        self._server.stop()
        self._server = None

    @property
    def port(self) -> int:
        """Where the server answers."""
        return int(self._running.url.rpartition(":")[2])

    @property
    def _running(self) -> LocalServer:
        assert self._server is not None  # noqa: S101 - for the type
        return self._server

    def fresh(self) -> None:
        """Kill the server, if there is one, and start another on the data as they were at first."""
        self.kill()
        shutil.rmtree(self._data, ignore_errors=True)
        shutil.copytree(self._template, self._data)
        self._server = LocalServer(self._data)
        self._server.start()

    def kill(self) -> None:
        """Kill the server."""
        if self._server is not None:
            self._server.signal(signal.SIGKILL)
            self._server = None

    def forget_peak(self) -> None:
        """Let the peak of the server's memory begin at what it has now."""
        with suppress(OSError):
            Path(f"/proc/{self._running.pid}/clear_refs").write_text("5")

    def peak_mib(self) -> int:
        """Return the most memory that the server had since then; 0 where the system does not tell."""
        with suppress(OSError):
            found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self._running.pid}/status").read_text())
            return int(found[1]) // 1024 if found else 0
        return 0

    def recovered(self) -> bool:
        """Wait until the server answers at once and its ledger has all; tell whether it came to that."""
        until = time.monotonic() + _RECOVERY_S
        while time.monotonic() < until:
            with suppress(OSError, http.client.HTTPException):
                began = time.monotonic()
                if self.get("/healthz")[0] == http.client.OK and time.monotonic() - began < 0.2:  # noqa: PLR2004
                    _, headers, _ = self.get("/v1/rates", self.administrator)
                    if headers.get("x-otpconv-lag") == "0":
                        return True
            time.sleep(0.1)
        return False

    def get(
        self, target: str, key: tuple[str, str] | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Ask once; return status, headers and body."""
        return self._ask("GET", target, (basic(*key) if key else {}) | headers)

    def post(self, target: str, key: tuple[str, str], body: bytes, kind: str = "application/json") -> int:
        """Post once; return the status."""
        return self._ask("POST", target, {**basic(*key), "content-type": kind}, body)[0]

    def send(self, requests: list[bytes]) -> None:
        """Send requests one after another, and wait until what they reported is counted."""
        Traffic(self.port, "127.0.0.1", 30).flood(requests, once=True)
        self.recovered()

    def visit(self, key: tuple[str, str]) -> Visit:
        """Sign in to the pages."""
        form = urlencode({"access_key_id": key[0], "access_key_secret": key[1]}).encode()
        kind = {"content-type": "application/x-www-form-urlencoded"}
        _, headers, _ = self._ask("POST", "/sign-in", kind, form)
        cookie = str(headers.get("set-cookie", "")).partition(";")[0]
        _, _, page = self.get("/explorer/diagnosis", cookie=cookie)
        token = re.search(rb'name="form_token" value="([^"]+)"', page)
        return Visit(cookie, token[1].decode() if token else "")

    def window(self, days: float = DAYS) -> dict[str, str]:
        """Return the parameters of the last days of the ledger."""
        return {"start": str(round(self.now - days * DAY_MS)), "end": str(self.now)}

    def _ask(
        self, method: str, target: str, headers: dict[str, str], body: bytes = b""
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            # Cookies are called by the port of this header.
            connection.request(method, target, body or None, {"host": "127.0.0.1"} | headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


def _pair(key: AccessKey) -> tuple[str, str]:
    return key.access_key_id, key.secret

"""`otpconv demo --serve`: a temporary server with two weeks of traffic, which goes on."""

import signal
import tempfile
import time
import webbrowser
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from heapq import heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer
from msgspec import Struct

from otpconv.cli.characters import as_json
from otpconv.cli.client import Client
from otpconv.cli.local_server import LocalServer
from otpconv.cli.terminal import note, progress
from otpconv.clock import wall_clock

if TYPE_CHECKING:
    from otpconv.access.keys import AccessKey
    from otpconv.cli.demo.weeks import Sent, Weeks
    from otpconv.config import Settings
    from otpconv.model import Report
    from otpconv.phone import NumberHash

_HOUR_MS: Final = 3_600_000
_ACCOUNT: Final = "default"
#: How often live traffic is sent, s, and messages or conversions of one call.
_EVERY_S, _AT_ONCE = 1.0, 1_000
#: Signals that stop the demo. A shell that starts it in the background has it ignore the first one.
_STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Started(Struct):
    """What the demo prints when it is ready.

    Attributes:
        url: of the server.
        link: signs an administrator in, once.
        data: the data folder; it is removed at the end.
        messages: in the history.
        broken_country, broken_provider: the route that fails.
        silent_access_key: of the application that no longer reports conversions.
    """

    url: str
    link: str
    data: str
    messages: int
    broken_country: str
    broken_provider: str
    silent_access_key: str


def serve_demo(seed: int, port: int, *, open_browser: bool, json: bool) -> None:
    """Run the demo until Ctrl-C or SIGTERM, and remove its files.

    Args:
        seed: of the random traffic.
        port: to listen on; 0 chooses a free one.
        open_browser: whether to open the link in a browser.
        json: print JSON.
    """
    try:
        with _stoppable(), tempfile.TemporaryDirectory(prefix="otpconv-demo-") as folder:
            try:
                _run(Path(folder), seed, port, open_browser=open_browser, json=json)
            finally:
                # A second Ctrl-C shall not leave the folder behind.
                for number in _STOPS:
                    signal.signal(number, signal.SIG_IGN)
    except KeyboardInterrupt:
        note("the demo is over; its files are removed")


@contextmanager
def _stoppable() -> Iterator[None]:
    """Raise KeyboardInterrupt at every signal that stops the demo."""
    before = [signal.signal(number, signal.default_int_handler) for number in _STOPS]
    try:
        yield
    finally:
        for number, handler in zip(_STOPS, before, strict=True):
            signal.signal(number, handler)


def _run(folder: Path, seed: int, port: int, *, open_browser: bool, json: bool) -> None:
    # The server's libraries are not there in a client's installation.
    from otpconv.access.sign_in_links import SignInLinks, url_of_link
    from otpconv.cli.demo.watching import look_back
    from otpconv.cli.demo.weeks import Weeks
    from otpconv.config import Settings
    from otpconv.service.opening import open_sealer

    # The child must not read the settings of another server, which may be in this folder.
    no_settings = folder / "otpconv.toml"
    no_settings.touch()
    settings = Settings.model_construct(data=folder / "data")
    now = wall_clock()
    weeks = Weeks(seed, now)
    administrator, keys = make_keys(settings)
    history = History(weeks, now, {name: key.access_key_id for name, key in keys.items()})
    history.fill(settings)
    server = LocalServer(settings.data, {"OTPCONV_CONFIG": str(no_settings)}, port)
    try:
        # Both take seconds, and each has a processor of its own.
        with ThreadPoolExecutor(1) as aside:
            looking = aside.submit(look_back, settings, now)
            server.start()
            looking.result()
        token = SignInLinks(open_sealer(settings)).issue(administrator.access_key_id, wall_clock())
        started = Started(
            server.url,
            url_of_link(server.url, token),
            str(settings.data),
            history.messages,
            *weeks.broken,
            keys[weeks.silent].access_key_id,
        )
        typer.echo(as_json(started) if json else _welcome(started, weeks.silent))
        if open_browser and not webbrowser.open(started.link):
            note("no browser could be opened: open the link yourself")
        _continue(weeks, history, {name: _client(server.url, key) for name, key in keys.items()})
    finally:
        server.stop()


def make_keys(settings: "Settings") -> "tuple[AccessKey, dict[str, AccessKey]]":
    """Create the access keys of an administrator, and of each application by its name."""
    from otpconv.cli.demo.weeks import APPLICATIONS
    from otpconv.service.opening import open_key_store

    store = open_key_store(settings)
    try:
        return (
            store.create(_ACCOUNT, "admin", "AdministratorAccess"),
            {name: store.create(_ACCOUNT, name, "OtpconvReportOnly") for name in APPLICATIONS},
        )
    finally:
        store.close()


class History:
    """Traffic up to now, in the data folder of a server that does not run yet.

    Args:
        weeks: the traffic.
        now: the time now, ms.
        access_keys: by application.

    Attributes:
        until: the history has the messages requested before this time, ms.
        messages: how many there are.
        coming: messages that are answered later: when (ms), id, and the message; a heap.
    """

    def __init__(self, weeks: "Weeks", now: int, access_keys: dict[str, str]) -> None:
        self._weeks = weeks
        self._access_keys = access_keys
        self.until = now
        self.messages = 0
        self.coming: list[tuple[int, str, Sent]] = []

    def fill(self, settings: "Settings") -> None:
        """Write it into a data folder, with a bar on a terminal."""
        from otpconv.service.numbers import open_number_hash
        from otpconv.service.upkeep import fill

        number_hash = open_number_hash(settings)
        hours = range(self._weeks.start, self.until, _HOUR_MS)
        with progress("two weeks of traffic", len(hours)) as show:

            def batches() -> "Iterator[tuple[int, list[Report]]]":
                for done, start in enumerate(hours, 1):
                    end = min(start + _HOUR_MS, self.until)
                    yield (
                        end,
                        [
                            report
                            for sent in self._between(start, end)
                            for report in self._reports(sent, number_hash)
                        ],
                    )
                    show(done)

            fill(settings, batches())

    def _between(self, start: int, end: int) -> "Sequence[Sent]":
        return sorted(self._weeks.between(start, end), key=lambda sent: sent.requested_at)

    def _reports(self, sent: "Sent", number_hash: "NumberHash") -> "Iterator[Report]":
        """Return the reports about a message up to now; a later one is kept in `coming`."""
        from otpconv.model import Conversion, Dimensions, Requested

        account, phone = 1, sent.phone
        yield Requested(
            account,
            sent.message_id,
            sent.requested_at,
            Dimensions(
                phone.country,
                phone.carrier,
                sent.provider,
                sent.template,
                sent.sender,
                sent.channel,
                self._access_keys[sent.application],
            ),
            number_hash(account, phone.e164),
            phone.number_range,
            sent.session_id,
            sent.attempt,
        )
        self.messages += 1
        if sent.answered_at is None:
            return
        if sent.answered_at <= self.until:
            yield Conversion(account, sent.verified, sent.answered_at, sent.message_id)
        else:
            heappush(self.coming, (sent.answered_at, sent.message_id, sent))


def _client(url: str, key: "AccessKey") -> Client:
    return Client(url, key.access_key_id, key.secret)


def _continue(weeks: "Weeks", history: History, clients: dict[str, Client]) -> None:
    """Send the traffic that begins now, until a signal comes."""
    coming, until = history.coming, history.until
    while True:
        now = wall_clock()
        requested = list(weeks.between(until, now)) if now > until else []
        until = max(until, now)
        for sent in requested:
            if sent.answered_at is not None:
                heappush(coming, (sent.answered_at, sent.message_id, sent))
        answered = []
        while coming and coming[0][0] <= now:
            answered.append(heappop(coming)[2])
        for name, client in clients.items():
            _post(client, "messages", [_message(sent) for sent in requested if sent.application == name])
            _post(client, "conversions", [_conversion(sent) for sent in answered if sent.application == name])
        time.sleep(_EVERY_S)


def _post(client: Client, kind: str, items: Sequence[object]) -> None:
    for first in range(0, len(items), _AT_ONCE):
        client.call("POST", f"/v1/{kind}", body={kind: items[first : first + _AT_ONCE]})


def _message(sent: "Sent") -> dict[str, object]:
    return {
        "message_id": sent.message_id,
        "requested_at": sent.requested_at,
        "to": sent.phone.e164,
        "provider": sent.provider,
        "template": sent.template,
        "sender": sent.sender,
        "channel": sent.channel,
        "session_id": sent.session_id,
        "attempt": sent.attempt,
    }


def _conversion(sent: "Sent") -> dict[str, object]:
    return {
        "message_id": sent.message_id,
        "delivered": sent.verified,
        "conversion_time": sent.answered_at,
    }


def _welcome(started: Started, silent: str) -> str:
    return (
        f"{started.messages:,} messages of two weeks are on {started.url}, and more are coming in.\n"
        "Open this link. It signs you in once, within an hour:\n\n"
        f"  {started.link}\n\n"
        "The dashboard names a route that has been failing for an hour. It also names an application that has"
        f" not reported for three hours: {silent},\nwith the access key {started.silent_access_key}."
        f" Both have an open alert: {started.url}/alerts\n"
        f"One number range looks like fraud: {started.url}/ranges\n"
        f"For another link, run in a second terminal: otpconv sign-in-link --data {started.data}\n"
        "Press Ctrl-C to stop. The server and its files are then removed."
    )

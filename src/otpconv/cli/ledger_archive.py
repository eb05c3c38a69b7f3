"""The archive of `otpconv ledger prune`: the messages that are about to be deleted, in a file."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from zlib import crc32

import msgspec

from otpconv.cli.export import rows
from otpconv.cli.export_parquet import ParquetMessages
from otpconv.cli.files import publish
from otpconv.cli.terminal import progress
from otpconv.errors import Misconfigured, Unavailable
from otpconv.parquet import TEXT
from otpconv.storage.contract import Message

if TYPE_CHECKING:
    from otpconv.config import Settings

_SHOWN_EVERY = 10_000


class Archive:
    """Writes the messages of all accounts before a time to a file.

    Args:
        settings: name the storage.
        file: a name that ends with .ndjson or .parquet; nothing has it yet.
        before: the time, ms.

    Attributes:
        messages: how many messages the file has.

    Raises:
        Misconfigured: the name has another suffix, or something has it.
    """

    def __init__(self, settings: "Settings", file: Path, before: int) -> None:
        if file.suffix.lower() not in {".ndjson", ".parquet"}:
            raise Misconfigured(f"--archive {file}: use a name that ends with .ndjson or .parquet")
        if os.path.lexists(file):
            raise Misconfigured(f"{file} already exists: choose another name, or move it away")
        self._settings = settings
        self._file = file
        self._before = before
        self._checksum = 0
        self.messages = 0

    def write(self) -> None:
        """Write the file; when this returns, it is complete and on the disk.

        Raises:
            Misconfigured: it can't be written.
            Unavailable: the storage fails.
        """
        file = self._file
        try:
            with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
                draft = Path(folder) / file.name
                with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
                    self._write(stream)
                    stream.flush()
                    os.fsync(stream.fileno())
                publish(draft, file)
        except OSError as error:
            raise Misconfigured(f"{file} can't be written ({error.strerror}): choose another file") from None

    def check(self) -> None:
        """Check that the file has all messages that will be deleted, now that no more old ones come.

        Raises:
            Unavailable: reports about these messages have come since; no message is deleted yet.
        """
        checksum = 0
        for account, message in self._messages():
            if message.state.requested is not None:
                checksum = crc32(_line(account, message), checksum)
        if checksum != self._checksum:
            raise Unavailable(
                f"Reports have come since {self._file} was written, so it lacks some, and nothing was"
                " deleted. Run the command again with another file."
            )

    def _write(self, stream: BinaryIO) -> None:
        parquet = self._file.suffix.lower() == ".parquet"
        table = ParquetMessages(stream, {"account": TEXT}) if parquet else None
        write: Callable[[bytes], object] = (lambda _: None) if table else stream.write
        with progress("archiving", None) as show:
            for account, message in self._messages():
                line = _line(account, message)
                write(line)
                if table:
                    table.write(message, account=account)
                if message.state.requested is not None:
                    self._checksum = crc32(line, self._checksum)
                self.messages += 1
                if self.messages % _SHOWN_EVERY == 0:
                    show(self.messages)
        if table:
            table.close()

    def _messages(self) -> Iterator[tuple[str, Message]]:
        """Yield the messages before the time, and the unmatched ones, with the names of their accounts."""
        from otpconv.service.opening import open_directory, open_ledger

        with closing(open_directory(self._settings)) as directory:
            accounts = directory.accounts()
        ledger, _ = open_ledger(self._settings)
        with closing(ledger):
            for account, name in accounts.items():
                for message in ledger.messages(account):
                    if _is_before(message, self._before):
                        yield name, message


def _is_before(message: Message, before: int) -> bool:
    state = message.state
    if state.requested is not None:
        return state.requested.requested_at < before
    times = state.true_last, state.false_last, state.true_arrival, state.true_unknown, state.false_unknown
    return all(time is None or time < before for time in times)


def _line(account: str, message: Message) -> bytes:
    """Return the rows of a message as `otpconv import` reads them."""
    return b"".join(msgspec.json.encode({"account": account, **row}) + b"\n" for row in rows(message))

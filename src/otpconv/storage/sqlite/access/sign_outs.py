"""Sign-outs, in the file of the access keys."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from otpconv.access.sign_outs import MOST_A_KEY
from otpconv.storage.sqlite.access.access_file import AccessFile


class SqliteSignOuts:
    """A `SignOutStore` in a SQLite file.

    Each call opens the file: sign-outs are rare, and a thread other than the event loop's writes them.

    Args:
        path: the file; created if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, dict[bytes, int]]:
        """See `SignOutStore.load`."""
        ended: dict[str, dict[bytes, int]] = {}
        with self._opened() as file, file.reading():
            for access_key_id, sign_in, until in file.rows("sign_outs", tuple[str, bytes, int]):
                ended.setdefault(access_key_id, {})[sign_in] = until
        return ended

    def add(self, access_key_id: str, sign_in: bytes, until: int, now: int) -> bool:
        """See `SignOutStore.add`."""
        with self._opened() as file, file.changing():
            file.run("forget_sign_outs", now=now)
            # A key that was deleted meanwhile has no sign-ins left.
            file.run("make_sign_out", access_key_id=access_key_id, sign_in=sign_in, until=until)
            crowded = (file.number("count_sign_outs", access_key_id=access_key_id) or 0) > MOST_A_KEY
            if crowded:
                file.run("end_sign_ins", access_key_id=access_key_id, now=now)
                file.run("forget_sign_outs_of", access_key_id=access_key_id)
        return crowded

    @contextmanager
    def _opened(self) -> Iterator[AccessFile]:
        with closing(AccessFile(self._path)) as file:
            yield file

"""Sign-outs, beside the access keys."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from otpconv.access.sign_outs import MOST_A_KEY
from otpconv.storage.access.tables import AccessTables


class TableSignOuts:
    """A `SignOutStore` in the tables of an engine.

    Each call opens the tables: sign-outs are rare, and a thread other than the event loop's writes them.

    Args:
        connect: opens the tables.
    """

    def __init__(self, connect: Callable[[], AccessTables]) -> None:
        self._connect = connect

    def load(self) -> dict[str, dict[bytes, int]]:
        """See `SignOutStore.load`."""
        ended: dict[str, dict[bytes, int]] = {}
        with self._opened() as tables, tables.reading():
            for access_key_id, sign_in, until in tables.rows("sign_outs", tuple[str, bytes, int]):
                ended.setdefault(access_key_id, {})[sign_in] = until
        return ended

    def add(self, access_key_id: str, sign_in: bytes, until: int, now: int) -> bool:
        """See `SignOutStore.add`."""
        with self._opened() as tables, tables.changing():
            tables.run("forget_sign_outs", now=now)
            # A key that was deleted meanwhile has no sign-ins left.
            tables.run("make_sign_out", access_key_id=access_key_id, sign_in=sign_in, until=until)
            crowded = (tables.number("count_sign_outs", access_key_id=access_key_id) or 0) > MOST_A_KEY
            if crowded:
                tables.run("end_sign_ins", access_key_id=access_key_id, now=now)
                tables.run("forget_sign_outs_of", access_key_id=access_key_id)
        return crowded

    @contextmanager
    def _opened(self) -> Iterator[AccessTables]:
        with closing(self._connect()) as tables:
            yield tables

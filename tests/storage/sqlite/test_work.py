"""The applier's work is proportional to the reports: twice as much of anything costs about twice as much.

Work is counted in steps of SQLite's virtual machine, so a slow machine makes no difference.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import apsw
import pytest

from campaigns import parameters
from constants import smaller
from ledger.reports import DAY, hashed
from otpconv.model import Conversion, Dimensions, Expiry, Report, Requested
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS
from storage.engines import ALL, Engine, SqliteEngine

#: How much of a shape there is at first; then twice as much.
COUNT = int(smaller(300, 150))
#: More than twice the work by so much at most: the lookups themselves get a little deeper.
TOLERANCE = 1.05
#: How many reports are appended at once: as many as the fewest that are applied at once.
TOGETHER = 5

NUMBER, OTHER_NUMBER = hashed(1, "5"), hashed(1, "6")

Reports = list[Report | Expiry]
#: Makes so much of what a busy caller could send.
Shape = Callable[[int], Reports]


def requested(n: int, at: int, number: str = NUMBER, session: str = "") -> Requested:
    return Requested(1, f"m{n}", at, Dimensions("ES"), number, session_id=session, attempt=1)


def by_number(at: int, *, delivered: bool = True, number: str = NUMBER) -> Conversion:
    return Conversion(1, delivered, at, number=number)


def by_id(n: int, at: int) -> Conversion:
    return Conversion(1, delivered=True, conversion_time=at, message_id=f"m{n}")


def number_with_many_messages(count: int) -> Reports:
    return [by_number(DAY + HOUR_MS), *(requested(n, DAY + n * MINUTE_MS) for n in range(count))]


def number_with_many_messages_newest_first(count: int) -> Reports:
    return [by_number(DAY + HOUR_MS), *(requested(n, DAY - n * MINUTE_MS) for n in range(count))]


def number_with_many_messages_at_one_instant(count: int) -> Reports:
    return [by_number(DAY + 1), *(requested(n, DAY) for n in range(count)), by_number(DAY + 2)]


def number_with_many_conversions(count: int) -> Reports:
    return [requested(0, DAY), *(by_number(DAY + n, delivered=n % 2 == 0) for n in range(count))]


def number_with_many_conversions_before_its_message(count: int) -> Reports:
    conversions = (by_number(DAY + n, delivered=False) for n in range(count))
    return [*conversions, *(requested(n, DAY + n // 2) for n in range(20)), by_number(DAY + HOUR_MS)]


def number_with_many_of_both(count: int) -> Reports:
    probes = ((requested(n, DAY + n * MINUTE_MS), by_number(DAY + n * MINUTE_MS + 9)) for n in range(count))
    return [report for probe in probes for report in probe]


def number_with_many_of_both_at_one_instant(count: int) -> Reports:
    return [
        *(by_number(DAY + n, delivered=n % 2 == 0) for n in range(count)),
        *(requested(n, DAY) for n in range(count)),
        *(by_number(DAY + n, delivered=n % 2 == 1) for n in range(count)),
    ]


def message_that_moves_between_busy_numbers(count: int) -> Reports:
    numbers = (NUMBER, OTHER_NUMBER)
    conversions = [by_number(DAY + n, number=number) for n in range(count) for number in numbers]
    return [*conversions, *(requested(0, DAY - n, numbers[n % 2]) for n in range(count))]


def busy_session(count: int) -> Reports:
    messages = [requested(n, DAY + n * MINUTE_MS, "", "s") for n in range(count)]
    return [*messages, *(by_id(n, DAY + HOUR_MS * 9) for n in range(count))]


def busy_session_newest_first(count: int) -> Reports:
    pairs = ((by_id(n, DAY + 1), requested(n, DAY - n * MINUTE_MS, "", "s")) for n in range(count))
    return [report for pair in pairs for report in pair]


def busy_session_that_its_messages_leave(count: int) -> Reports:
    return [
        *busy_session(count),
        *(requested(n, DAY - DAY_MS + n * MINUTE_MS, "", "t") for n in range(count)),
    ]


def busy_session_that_alternates(count: int) -> Reports:
    return [
        *busy_session(count),
        *(requested(0, DAY - n, "", "s" if n % 2 else "t") for n in range(1, count)),
    ]


def many_sessions(count: int) -> Reports:
    return [requested(n, DAY + n, "", f"s{n // 2}") for n in range(count)]


def busy_message(count: int) -> Reports:
    moves = [requested(0, DAY - n * MINUTE_MS, NUMBER, "s") for n in range(count)]
    return [*moves, *(by_id(0, DAY - n * MINUTE_MS) for n in range(count))]


def identical_reports(count: int) -> Reports:
    return [report for _ in range(count) for report in (requested(0, DAY, NUMBER, "s"), by_number(DAY + 1))]


def late_reports(count: int) -> Reports:
    times = [DAY - n * DAY_MS for n in range(count)]
    messages = (requested(n, at, session="s") for n, at in enumerate(times))
    return [*messages, *map(by_number, times), *(by_id(n, at + 5) for n, at in enumerate(times))]


def conversions_that_expire_hour_by_hour(count: int) -> Reports:
    hours = (
        (DAY + n * HOUR_MS, Expiry(DAY + (n - 7) * HOUR_MS, DAY + (n - 7) * HOUR_MS)) for n in range(count)
    )
    return [
        report
        for n, (at, expiry) in enumerate(hours)
        for report in (
            *(by_number(at), by_number(at, number=OTHER_NUMBER), Conversion(1, True, at, f"lost{n}")),
            *(requested(n, at), Requested(1, f"found{n}", at, Dimensions("PT")), expiry),
        )
    ]


def receipt(name: str, at: int, status: ReceiptStatus = ReceiptStatus.DELIVERED, price: int = 5) -> Receipt:
    return Receipt(1, name, status, at, price=price, currency="EUR")


def named(n: int, at: int, name: str) -> Requested:
    return Requested(1, f"m{n}", at, Dimensions("ES"), vendor_message_id=name)


def many_receipts(count: int) -> Reports:
    """Of each message, before and after it, and after its conversion."""
    return [
        report
        for n in range(count)
        for report in (
            receipt(f"v{n}", DAY + n, ReceiptStatus.SENT),
            named(n, DAY + n, f"v{n}"),
            receipt(f"v{n}", DAY + n + 5),
            by_id(n, DAY + n + 9),
        )
    ]


def receipts_of_unknown_messages_that_expire(count: int) -> Reports:
    days = ((receipt(f"v{n}", DAY + n * DAY_MS), Expiry(DAY + (n - 2) * DAY_MS, 0)) for n in range(count))
    return [report for day in days for report in day]


def busy_vendor_id(count: int) -> Reports:
    """Each receipt changes the price of all messages that have it, and each message displaces another."""
    pairs = ((named(n, DAY - n, "v"), receipt("v", DAY + n, price=n)) for n in range(count))
    return [report for pair in pairs for report in pair]


def messages_that_name_other_vendor_ids(count: int) -> Reports:
    busy = [named(n, DAY + n, "v") for n in range(count)]
    receipts = [receipt(name, DAY) for name in ("v", "u")]
    return [*busy, *receipts, *(named(n, DAY + n, "u") for n in range(count))]


SHAPES: list[Shape] = [
    number_with_many_messages,
    number_with_many_messages_newest_first,
    number_with_many_messages_at_one_instant,
    number_with_many_conversions,
    number_with_many_conversions_before_its_message,
    number_with_many_of_both,
    number_with_many_of_both_at_one_instant,
    message_that_moves_between_busy_numbers,
    busy_session,
    busy_session_newest_first,
    busy_session_that_its_messages_leave,
    busy_session_that_alternates,
    many_sessions,
    busy_message,
    identical_reports,
    late_reports,
    conversions_that_expire_hour_by_hour,
    many_receipts,
    receipts_of_unknown_messages_that_expire,
    busy_vendor_id,
    messages_that_name_other_vendor_ids,
]
#: One shape of each kind: what many messages, conversions and receipts can have in common.
HARDEST: list[Shape] = [
    number_with_many_of_both_at_one_instant,
    message_that_moves_between_busy_numbers,
    busy_session_that_alternates,
    busy_message,
    conversions_that_expire_hour_by_hour,
    many_receipts,
    busy_vendor_id,
]


class Steps:
    """Counts the steps of every statement of the connections that are opened while it is hooked in.

    Attributes:
        total: the steps so far.
    """

    def __init__(self) -> None:
        self.total = 0
        self._before: dict[int, int] = {}

    @contextmanager
    def hooked(self) -> Iterator[None]:
        apsw.connection_hooks.append(self._hook)
        try:
            yield
        finally:
            apsw.connection_hooks.remove(self._hook)

    def _hook(self, connection: apsw.Connection) -> None:
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, self._note)

    def _note(self, event: dict[str, Any]) -> None:
        # SQLite counts on as long as it keeps a statement for its next run.
        statement, status = event["id"], event["stmt_status"]
        steps = status["SQLITE_STMTSTATUS_VM_STEP"]
        again = status["SQLITE_STMTSTATUS_RUN"] > 1
        self.total += steps - self._before.get(statement, 0) if again else steps
        self._before[statement] = steps


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """SQLite alone: another engine has no such steps to count. A fixture `engine` would be each engine."""
    return SqliteEngine(tmp_path_factory.mktemp("work"))


def work(sqlite: Engine, reports: Reports, limit: int) -> int:
    """Return the steps that it takes to apply the reports, `limit` entries at a time."""
    steps = Steps()
    with steps.hooked(), sqlite.open() as storage:
        for first in range(0, len(reports), TOGETHER):
            storage.append(*reports[first : first + TOGETHER])
        before = steps.total
        storage.apply_all([limit])
        return steps.total - before


@pytest.mark.parametrize("limit", parameters([TOGETHER, ALL], [TOGETHER], "all reports in one transaction"))
@pytest.mark.parametrize("shape", parameters(SHAPES, HARDEST, "variations of the shapes that stay"))
def test_twice_as_much_of_anything_is_about_twice_the_work(sqlite: Engine, shape: Shape, limit: int) -> None:
    nothing = work(sqlite, [requested(0, DAY)], limit)
    once = work(sqlite, shape(COUNT), limit) - nothing
    twice = work(sqlite, shape(2 * COUNT), limit) - nothing
    assert 0 < twice <= 2 * TOLERANCE * once

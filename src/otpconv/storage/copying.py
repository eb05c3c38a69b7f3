"""Copies a storage into another one while servers run on the first: the journal, the ledger, and the rest.

The journal is copied row by row, in the order of its positions, and the ledger of the copy is built from its
own journal. So a copy can be interrupted anywhere, and continues where its journal ends.

A deletion erases reports from rows that may have been copied already, and then the names of the deleted
messages from its own row. `_walk` compares all rows at the end and erases the same reports from the copy.

The last step compares with one state of the source, whose files grow as long as it is held.
"""

from collections.abc import Callable, Iterator
from contextlib import closing

from otpconv.errors import Misconfigured
from otpconv.storage.check_result import CheckResult
from otpconv.storage.journal_rows import NONCES, REPORTS
from otpconv.storage.transfer import STATE, OneState, State, StoredRow, Transfer
from otpconv.storage.verification import TABLES, compare

#: Entries of the journal that are copied in one commit, and kept in memory: some 5 MB.
BATCH = 20_000
#: Entries of the journal that the ledger applies in one transaction.
_APPLIED = 5_000
#: The copy has caught up when its ledger lacks at most this many entries of the other one.
_CLOSE = 5_000
#: How often a copy begins its last step. It begins again, once, if the ledger has to be built again because
#: of deletions.
_TRIES = 2
#: Rows that are rewritten in one transaction.
_REWRITTEN = 100


class Copy:
    """A copy of one storage into another one, which nobody else may use meanwhile.

    Args:
        source, target: both sides.
        show: called now and then with the work done so far, and all of it.
    """

    def __init__(self, source: Transfer, target: Transfer, show: Callable[[int, int], None]) -> None:
        self._source = source
        self._target = target
        self._show = show
        self._head = 1
        self._copied = self._applied = self._walked = self._compared = self._erased = 0

    def require_fit(self) -> None:
        """Refuse a target that is not empty and not a beginning of the source; change nothing.

        Raises:
            Misconfigured: it has other data.
        """
        head = self._target.head()
        if head == 0:
            known = {row[0] for row in self._source.state()["access_keys"]}
            if others := [row[0] for row in self._target.state()["access_keys"] if row[0] not in known]:
                raise Misconfigured(
                    f"the target has access keys of its own, e.g. {others[0]}: copy into an empty folder or"
                    " database"
                )
            return
        (last,) = self._target.rows(head - 1, 1)
        same = next(iter(self._source.rows(head - 1, 1)), None)
        if same is None or last[:4] != same[:4] or not (same.erased or _is_equal(last, same)):
            raise Misconfigured(
                f"the target has other data: its journal ends at position {head:,} with an entry that the"
                " source does not have there. Copy into an empty folder or database"
            )

    def run(self) -> Iterator[CheckResult]:
        """Copy until the target has caught up, and yield the results of the verification.

        Raises:
            Misconfigured: the target has other data, or something can't be used.
            Unavailable: a storage fails. Run it again then: it continues.
        """
        self.require_fit()
        for left in reversed(range(_TRIES)):
            while self._catch_up() > _CLOSE:
                pass
            state = self._source.state()
            self._target.replace_state(state)
            with self._source.ledger() as held:
                position = held.position()
                self._copy_journal()
                walked = self._walk()
                if left and self._lag(position) > _CLOSE:
                    continue  # the ledger is built again, which takes too long to hold the source
                yield walked
                self._apply(position)
                yield from self._compare(held, position)
            yield self._compare_state(state)
            return

    def _catch_up(self) -> int:
        """Copy the journal, apply it, and return how many entries the source has applied meanwhile."""
        with self._source.ledger() as held:
            position = held.position()
        self._copy_journal()
        self._apply(position)
        with self._source.ledger() as held:
            return held.position() - position

    def _lag(self, position: int) -> int:
        """Return how many entries the ledger of the target lacks up to a position."""
        with self._target.ledger() as built:
            return position - built.position()

    def _copy_journal(self) -> None:
        head, after = self._source.head(), self._target.head()
        self._head, self._copied = max(head, 1), after
        while after < head:
            rows = self._source.rows(after, BATCH)
            self._target.append(after, rows)
            after = self._copied = rows[-1].seq
            self._show_all()

    def _apply(self, position: int) -> None:
        """Apply the journal of the target up to a position that the ledger of the source has reached."""
        with closing(self._target.ledger_writer()) as writer:
            cursor = writer.cursor()
            if cursor > position:
                raise Misconfigured(
                    f"the ledger of the source is at position {position:,}, before that of the copy at"
                    f" {cursor:,}: start a server on the source, which applies its journal, and copy again"
                )
            while cursor < position and cursor < (cursor := writer.apply(min(_APPLIED, position - cursor))):
                self._applied = cursor
                self._show_all()
        if cursor < position:
            raise Misconfigured(
                f"the ledger of the source is at position {position:,}, but its journal ends at {cursor:,}:"
                " run `otpconv ledger rebuild` on the source"
            )

    def _walk(self) -> CheckResult:
        """Compare the rows of both journals, and erase the reports that the source has erased since."""
        rows = different = 0
        stale: list[StoredRow] = []
        # The source may append meanwhile.
        head = self._target.head()
        for here, there in zip(_rows(self._source, head), _rows(self._target, head), strict=False):
            rows += 1
            self._walked = here.seq
            if here.erased and here[:4] == there[:4] and not (there.erased and _is_equal(here, there)):
                stale.append(here)
            elif not _is_equal(here, there):
                different += 1
            if len(stale) == _REWRITTEN:
                self._rewrite(stale)
            if rows % _REWRITTEN == 0:
                self._show_all()
        self._rewrite(stale)
        if different or self._walked != head:
            text = f"{different:,} of {rows:,} rows differ"
            advice = "copy into an empty folder or database"
            return CheckResult("journal", ok=False, text=text, advice=advice)
        text = f"{rows:,} rows with {head:,} entries are equal"
        if self._erased:
            text += f"; deleted messages were erased from {self._erased:,} of them"
        return CheckResult("journal", ok=True, text=text)

    def _rewrite(self, rows: list[StoredRow]) -> None:
        """Erase reports from rows of the target, and empty the list."""
        if not rows:
            return
        with self._target.ledger() as built:
            applied = built.position()
        if rows[0].seq <= applied:
            # The deletion that erased these reports may no longer name them, so applying it would not delete
            # them. Discarded first: after an interruption, it is built again.
            self._target.discard_ledger()
            self._applied = 0
        self._target.rewrite(rows)
        self._erased += len(rows)
        rows.clear()

    def _compare(self, held: OneState, position: int) -> Iterator[CheckResult]:
        """Compare all rows of both ledgers, which are at the same position."""
        with self._target.ledger() as built:
            text = f"compared at position {position:,} of the journal"
            yield CheckResult("journal and ledger", ok=built.position() == position, text=text)
            for table in TABLES:
                yield compare(table, held, built)
                self._compared += 1
                self._show_all()

    def _compare_state(self, state: State) -> CheckResult:
        """Compare the tables that are not made from the journal with the rows that were copied."""
        copied = self._target.state()
        ok = all(set(state[table]) == set(copied[table]) for table in STATE)
        text = ", ".join(f"{len(rows):,} {name.replace('_', ' ')}" for name, rows in copied.items() if rows)
        advice = "" if ok else "stop what else uses the target, and copy again"
        return CheckResult("access and annotations", ok=ok, text=text, advice=advice)

    def _show_all(self) -> None:
        compared = self._compared * self._head // len(TABLES)
        self._show(self._copied + self._applied + self._walked + compared, 4 * self._head)


def _rows(side: Transfer, head: int) -> Iterator[StoredRow]:
    """Yield the rows of a journal up to a position."""
    after = 0
    while after < head:
        for row in side.rows(after, BATCH):
            after = row.seq
            if after <= head:
                yield row


def _is_equal(here: StoredRow, there: StoredRow) -> bool:
    """Return whether two rows mean the same: engines write JSON in different ways."""
    if here[:4] != there[:4]:
        return False
    if here.reports != there.reports and _decoded(here) != _decoded(there):
        return False
    return here.nonces == there.nonces or (
        None not in {here.nonces, there.nonces}
        and NONCES.decode(here.nonces or b"") == NONCES.decode(there.nonces or b"")
    )


def _decoded(row: StoredRow) -> object:
    return None if row.reports is None else REPORTS.decode(row.reports)

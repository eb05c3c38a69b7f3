"""Large ledgers, made by a few statements: rollups without messages, as on a large site."""

from contextlib import closing
from pathlib import Path

import apsw

from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS
from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerWriter

_NO_DELAYS = ", ".join(["0"] * 27)


def fill(data: Path, *, groups: int, now: int, days: int = 0, minutes: int = 0, account: int = 1) -> None:
    """Write a data folder's ledger, where no server runs, full of rollups.

    Args:
        data: the folder, which may be empty.
        groups: combinations of dimensions; a hundred countries, and a provider for each hundred groups.
        now: the rollups end here, ms.
        days: how many days have rollups by day, hour and quarter of an hour.
        minutes: how many minutes have rollups by minute; the time before has quarters.
        account: whose messages.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (
        closing(SqliteJournal(data / "journal.sqlite")),
        closing(SqliteLedgerWriter(data / "ledger.sqlite", data / "journal.sqlite")),
        closing(apsw.Connection(str(data / "ledger.sqlite"))) as ledger,
    ):
        ledger.pragma("synchronous", "off")
        ledger.execute(
            """CREATE TEMP TABLE numbers AS WITH RECURSIVE n(value) AS
            (SELECT 0 UNION ALL SELECT value + 1 FROM n WHERE value < 100000) SELECT value FROM n"""
        )
        edge = now // DAY_MS * DAY_MS + DAY_MS
        minutes_from = now // MINUTE_MS * MINUTE_MS + MINUTE_MS - minutes * MINUTE_MS
        with ledger:
            ledger.execute("UPDATE progress SET minutes_from = ?", (minutes_from // HOUR_MS * HOUR_MS,))
            # Each day has ids of its own for the same groups.
            ledger.execute(
                """INSERT INTO dimensions
                (id, account, day, country, carrier, provider, template, sender, channel, access_key)
                SELECT d.value * :groups + g.value, :account, :first + d.value,
                    'c' || (g.value % 100), '', 'p' || (g.value / 100), '', '', 'sms', ''
                FROM numbers AS d CROSS JOIN numbers AS g
                WHERE d.value <= :days AND g.value BETWEEN 1 AND :groups""",
                {"account": account, "first": edge // DAY_MS - days - 1, "days": days, "groups": groups},
            )
            for grain, start, count in (
                (DAY_MS, edge - days * DAY_MS, days),
                (HOUR_MS, edge - days * DAY_MS, days * 24),
                (QUARTER_MS, edge - days * DAY_MS, days * 96),
                (MINUTE_MS, minutes_from, minutes),
            ):
                ledger.execute(
                    f"""INSERT INTO rollups SELECT :grain, :account, :start + t.value * :grain,
                    ((:start + t.value * :grain) / 86400000 - :first) * :groups + g.value,
                    20, 15, 20, 15, 0, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 5, 5, 5, {_NO_DELAYS}
                    FROM numbers AS t CROSS JOIN numbers AS g
                    WHERE t.value < :count AND g.value BETWEEN 1 AND :groups""",  # noqa: S608 - our own
                    {
                        "grain": grain,
                        "account": account,
                        "start": start,
                        "count": count,
                        "groups": groups,
                        "first": edge // DAY_MS - days - 1,
                    },
                )

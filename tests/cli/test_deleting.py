"""`otpconv forget` and `otpconv ledger prune`, beside a server and without one."""

import json
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from audited import audited
from constants import smaller, with_constants
from otpconv import audit, folder
from otpconv.cli.local_server import LocalServer
from otpconv.cli.main import app
from otpconv.config import load
from otpconv.errors import InvalidNumber, Misconfigured
from otpconv.model import Dimensions, Expiry, Requested
from otpconv.service.numbers import open_number_hash
from otpconv.service.retention import EVERY_S, Retention
from otpconv.storage.contract import DAY_MS, Entry
from otpconv.storage.erasure import Erasure
from otpconv.storage.sqlite import (
    SqliteJournal,
    SqliteJournalEraser,
    SqliteLedgerReader,
    SqliteLedgerWriter,
)
from otpconv.storage.sqlite.journal.eraser import has_erasures

OLD, NUMBER = 1_780_000_000_000, "+34600000001"


@pytest.fixture
def served(make_server: Callable[..., LocalServer]) -> LocalServer:
    """A server with an old message, and two messages to a number."""
    server = make_server()
    server.start()
    messages = [
        {"message_id": "old", "requested_at": OLD, "to": "+34600000009"},
        {"message_id": "theirs", "to": NUMBER},
        {"message_id": "other", "to": "+34600000002"},
    ]
    recorded = ask(server, "POST", "/v1/messages", json={"messages": messages}).json()
    assert recorded["recorded"] == len(messages)
    return server


def ask(server: LocalServer, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
    key = server.access_key_id, server.access_key_secret
    return httpx.request(method, f"{server.url}{path}", auth=key, timeout=60, **more)


def known(server: LocalServer) -> list[str]:
    ids = ["old", "theirs", "other"]
    return [each for each in ids if ask(server, "GET", f"/v1/messages/{each}").is_success]


def requested(server: LocalServer) -> int:
    (row,) = ask(server, "GET", "/v1/rates?start=2026-01-01&end=2036-01-01").json()["rows"]
    count: int = row["requested"]
    return count


def run(data: Path, *words: str) -> dict[str, Any]:
    result = CliRunner().invoke(
        app, [*words, "--data", str(data), "--json"], standalone_mode=False, catch_exceptions=False
    )
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_a_deletion_takes_effect_in_a_running_server_and_rates_stay(
    served: LocalServer, eventually: Callable[..., None]
) -> None:
    assert run(served.data, "forget", "--number", NUMBER) == {"deleted": 1}
    eventually(lambda: known(served), ["old", "other"])
    assert run(served.data, "ledger", "prune", "--before", str(OLD + 1)) == {"deleted": 1}
    eventually(lambda: known(served), ["other"])
    assert requested(served) == 3
    lines = audited(served.data)
    assert [(each["what"], each["outcome"], each["subject"]) for each in lines[-2:]] == [
        ("ForgetNumber", "done", "account default, 1 messages"),
        ("PruneMessages", "done", "before 2026-05-28T20:26:40Z, 1 messages"),
    ]


def test_a_server_refuses_reports_from_before_a_prune(
    served: LocalServer, eventually: Callable[..., None]
) -> None:
    run(served.data, "ledger", "prune", "--before", str(OLD + 1))
    again = {"messages": [{"message_id": "old", "requested_at": OLD}]}

    def codes() -> list[str]:
        rejected = ask(served, "POST", "/v1/messages", json=again).json()["rejected"]
        return [item["code"] for item in rejected]

    eventually(codes, ["InvalidTime"])
    served.stop()
    served.start()
    (refused,) = ask(served, "POST", "/v1/messages", json=again).json()["rejected"]
    assert "has deleted the messages before that time" in refused["message"]


def test_a_deletion_works_without_a_server_and_stays_after_a_rebuild(served: LocalServer) -> None:
    served.stop()
    assert run(served.data, "forget", "--number", NUMBER) == {"deleted": 1}
    (served.data / "ledger.sqlite").unlink()
    served.start()
    assert known(served) == ["old", "other"]
    assert requested(served) == 3


def test_a_forgotten_message_that_is_reported_again_is_a_new_message(
    served: LocalServer, eventually: Callable[..., None]
) -> None:
    run(served.data, "forget", "--number", NUMBER)
    eventually(lambda: known(served), ["old", "other"])
    again = {"messages": [{"message_id": "theirs", "to": NUMBER}, {"message_id": "new", "to": NUMBER}]}
    assert ask(served, "POST", "/v1/messages", json=again).json()["recorded"] == 2
    assert requested(served) == 5  # 3, of which one was deleted, and 2
    found = ask(served, "POST", "/v1/messages/search", json={"to": NUMBER}).json()["messages"]
    assert sorted(message["message_id"] for message in found) == ["new", "theirs"]
    # Another `forget` deletes these too.
    assert run(served.data, "forget", "--number", NUMBER) == {"deleted": 2}
    eventually(lambda: known(served), ["old", "other"])
    assert requested(served) == 5


def test_a_later_conversion_of_a_deleted_message_waits_for_its_message_or_is_refused(
    served: LocalServer, eventually: Callable[..., None]
) -> None:
    run(served.data, "ledger", "prune", "--before", str(OLD + 1))
    eventually(lambda: known(served), ["theirs", "other"])
    late = {"conversions": [{"message_id": "old", "delivered": True, "conversion_time": OLD + 5_000}]}
    assert ask(served, "POST", "/v1/conversions", json=late).json()["recorded"] == 1
    assert ask(served, "GET", "/v1/messages/old").json()["status"] == "unmatched"
    (row,) = ask(served, "GET", "/v1/rates?start=2026-01-01&end=2036-01-01").json()["rows"]
    assert (row["requested"], row["verified"]) == (3, 0)


def test_a_strict_server_refuses_conversions_of_deleted_messages(
    make_server: Callable[..., LocalServer], eventually: Callable[..., None]
) -> None:
    with make_server(settings={"OTPCONV_STRICT": "true"}) as strict:
        messages = {"messages": [{"message_id": "old", "requested_at": OLD}]}
        assert ask(strict, "POST", "/v1/messages", json=messages).json()["recorded"] == 1
        run(strict.data, "ledger", "prune", "--before", str(OLD + 1))
        eventually(lambda: known(strict), [])
        late = {"conversions": [{"message_id": "old", "delivered": True, "conversion_time": OLD + 5_000}]}
        (refused,) = ask(strict, "POST", "/v1/conversions", json=late).json()["rejected"]
        assert refused["code"] == "UnknownMessage"


def test_nothing_that_the_server_writes_names_a_forgotten_person(
    make_server: Callable[..., LocalServer], eventually: Callable[..., None]
) -> None:
    with make_server() as server:
        messages = [
            {"message_id": f"their-{n}", "to": NUMBER, "session_id": f"their-session-{n}"} for n in range(3)
        ]
        ask(server, "POST", "/v1/messages", json={"messages": messages}).raise_for_status()
        conversions = [
            {"message_id": "their-1", "delivered": True},
            {"to": NUMBER, "delivered": True},
        ]
        ask(server, "POST", "/v1/conversions", json={"conversions": conversions}).raise_for_status()
        ask(server, "POST", "/v1/messages/search", json={"to": NUMBER}).raise_for_status()
        assert ask(server, "GET", "/v1/messages/their-1").is_success
        assert run(server.data, "forget", "--number", NUMBER) == {"deleted": 3}
        eventually(lambda: ask(server, "GET", "/v1/messages/their-1").status_code, 404)
    hashed = open_number_hash(load(data=server.data))(1, NUMBER)
    written = {file: file.read_bytes() for file in [*server.data.rglob("*"), server.log] if file.is_file()}
    assert {"journal.sqlite", "ledger.sqlite", "access.sqlite", audit.FILE} <= {file.name for file in written}
    for name in (b"their-", NUMBER[1:].encode(), hashed.encode(), bytes.fromhex(hashed)):
        assert [str(file) for file, content in written.items() if name in content] == []


def test_retention_waits_for_another_deletion(tmp_path: Path) -> None:
    now = 1_800_000_000_000
    with closing(SqliteJournal(tmp_path / "journal.sqlite")) as journal:
        journal.append([Entry(Requested(1, "old", now - 40 * DAY_MS)), Entry(Expiry(0, now))], now)
        writer = SqliteLedgerWriter(tmp_path / "ledger.sqlite", tmp_path / "journal.sqlite")
        ledger = SqliteLedgerReader(tmp_path / "ledger.sqlite")
        with closing(writer), closing(ledger):
            writer.apply(100)
            retention = Retention(load(data=tmp_path, retention_days=10), ledger, lambda: writer.apply(100))
            with folder.lock_file(tmp_path / "deleting"):
                retention.run()
                assert len([*ledger.messages(1)]) == 1
            retention.run()
            assert [*ledger.messages(1)] == []


def test_a_crowded_day_gets_shorter_ranges_without_a_search_of_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_000_000
    requests = [Requested(1, f"{n}", now, Dimensions("DE"), f"{n:032x}", f"+49151{n:04}") for n in range(200)]
    with closing(SqliteJournal(tmp_path / "journal.sqlite")) as journal:
        journal.append([Entry(each) for each in requests], now)
        writer = SqliteLedgerWriter(tmp_path / "ledger.sqlite", tmp_path / "journal.sqlite")
        ledger = SqliteLedgerReader(tmp_path / "ledger.sqlite")
        with closing(writer), closing(ledger):
            writer.apply(1_000)
            retention = Retention(load(data=tmp_path), ledger, lambda: writer.apply(100))
            retention.shorten_ranges()
            assert journal.head() == len(requests)
            monkeypatch.setattr(ledger, "range_lengths", partial(ledger.range_lengths, 100))
            retention.shorten_ranges()
            assert journal.head() == len(requests) + 1
            assert len(ledger.ranges(1, 0, now + 1)) == 20
            retention.shorten_ranges()
            assert journal.head() == len(requests) + 1
            files = tmp_path / "journal.sqlite", tmp_path / "ledger.sqlite"
            with closing(SqliteJournalEraser(*files)) as eraser:
                assert eraser.begin()
                # It rewrites the fact, and has searched for nothing.
                assert [eraser.step(), eraser.step()] == [True, False]
                assert not eraser.begin()
            retained = [entry.report for entry in journal.read(len(requests), 2)]
            assert [bool(each.range_lengths) for each in retained if isinstance(each, Erasure)] == [True]


def test_one_deletion_runs_at_a_time(served: LocalServer) -> None:
    with (
        folder.lock_file(served.data / "deleting"),
        pytest.raises(Misconfigured, match="another deletion or `otpconv ledger verify` runs"),
    ):
        run(served.data, "forget", "--number", NUMBER)


def test_a_number_that_is_none_is_refused_and_audited(served: LocalServer) -> None:
    with pytest.raises(InvalidNumber):
        run(served.data, "forget", "--number", "me")
    assert audited(served.data)[-1]["outcome"] == "InvalidNumber"


def test_a_prune_of_the_future_is_refused(served: LocalServer) -> None:
    with pytest.raises(Misconfigured, match="is in the future"):
        run(served.data, "ledger", "prune", "--before", "2999-01-01")


def test_a_server_deletes_old_messages_by_itself_and_rates_stay(
    make_server: Callable[..., LocalServer], tmp_path: Path, eventually: Callable[..., None]
) -> None:
    constants = with_constants(
        tmp_path,
        {
            "otpconv.service.retention.EVERY_S": smaller(EVERY_S, 0.1),
            "otpconv.service.compose._FORGET_EVERY_S": smaller(5.0, 0.1),
        },
    )
    with make_server(settings=constants | {"OTPCONV_RETENTION_DAYS": "30"}) as server:
        messages = [{"message_id": "old", "requested_at": OLD}, {"message_id": "other"}]
        ask(server, "POST", "/v1/messages", json={"messages": messages}).raise_for_status()
        # The first expiry comes after the first report; it says that the clock is right.
        eventually(lambda: known(server), ["other"])
        assert requested(server) == len(messages)

        def rejected(message_id: str) -> list[str]:
            again = {"messages": [{"message_id": message_id, "requested_at": OLD}]}
            answer = ask(server, "POST", "/v1/messages", json=again).json()
            return [each["code"] for each in answer["rejected"]]

        # For a moment after the expiry, the server still takes messages of that age.
        eventually(lambda: rejected("as-old"), ["InvalidTime"])
        assert rejected("old") == ["InvalidTime"]
        eventually(lambda: has_erasures(server.data / "journal.sqlite"), False)
        assert b'"old"' not in (server.data / "journal.sqlite").read_bytes()


def test_retention_deletes_what_is_older_by_the_newest_report(tmp_path: Path) -> None:
    now = 1_800_000_000_000
    with closing(SqliteJournal(tmp_path / "journal.sqlite")) as journal:
        ages = [1, 9, 10, 12, 40]
        journal.append([Entry(Requested(1, f"{age}", now - age * DAY_MS)) for age in ages], now)
        writer = SqliteLedgerWriter(tmp_path / "ledger.sqlite", tmp_path / "journal.sqlite")
        ledger = SqliteLedgerReader(tmp_path / "ledger.sqlite")
        with closing(writer), closing(ledger):
            settings = load(data=tmp_path, retention_days=10)
            retention = Retention(settings, ledger, lambda: writer.apply(100))
            writer.apply(100)
            retention.run()
            assert len([*ledger.messages(1)]) == len(ages)  # nothing says yet that the clock is right
            journal.append([Entry(Expiry(0, now - 3 * DAY_MS))], now)
            writer.apply(100)
            retention.run()
            assert [each.message_id for each in ledger.messages(1)] == ["1", "9", "10"]

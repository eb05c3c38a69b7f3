"""The file of the relay: one of an older version is brought up to date, and keeps what it has."""

import re
from contextlib import closing
from pathlib import Path

import apsw

from otpconv.storage.relay.contract import NewSend
from otpconv.storage.sqlite.connection import script
from otpconv.storage.sqlite.relay import relay_file

NOW = 1_800_000_000_000


def test_a_file_of_version_1_gets_the_ids_of_vendors_and_keeps_its_feedbacks(tmp_path: Path) -> None:
    path = tmp_path / "relay.sqlite"
    with closing(apsw.Connection(str(path))) as connection:
        before = re.sub(r"\n +vendor_message_id .*", "", script("relay.sql"))
        assert "vendor_message_id" not in before
        connection.execute(before)
        connection.execute(
            "INSERT INTO relay_sends VALUES"
            " (1, 1, 'a', 7, 'received', ?, ?, ?, ?, 'waiting', 0, '', '', NULL, NULL)",
            (NOW, NOW, NOW, NOW + 1),
        )
        connection.pragma("user_version", 1)
    with closing(relay_file(path)) as store:
        assert [each.message_id for each in store.due(7, NOW, 10)] == ["a"]
        named = NewSend(1, "b", 7, "received", NOW, NOW, NOW, NOW + 1, "v-1")
        assert store.advance(0, 1, [named])
        assert [each.message_id for each in store.due(7, NOW, 10)] == ["a", "v-1"]

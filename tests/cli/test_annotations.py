"""Annotations by command: created, listed, deleted, and refused in one line."""

import json
import re

import pytest

from cli.commands import Run

pytestmark = pytest.mark.long("each test runs several commands against the shared server")


def test_annotations_are_created_listed_and_deleted(at: Run) -> None:
    made = at("annotate", "Release 2.4", "--at", "2026-01-31T12:00Z")
    assert (made.returncode, made.stderr) == (0, "")
    later = json.loads(at("annotate", "acme had an outage", "--json").stdout)
    assert later["text"] == "acme had an outage"
    table = at("annotations", "list").stdout
    number = made.stdout.split()[1]
    assert re.search(rf"{number} .*2026-01-31.* Release 2\.4 (.*\n)*.*{later['id']} .* acme had", table)
    listed = json.loads(at("annotations", "list", "--start", "2h", "--json").stdout)
    assert [each["id"] for each in listed] == [later["id"]]
    assert at("annotations", "delete", str(later["id"])).stdout == f"annotation {later['id']} deleted\n"
    assert "outage" not in at("annotations", "list").stdout


def test_a_refused_annotation_is_one_line_and_an_exit_code(at: Run) -> None:
    for words in (
        ("annotate", "x" * 201),
        ("annotate", "x", "--at", "some day"),
        ("annotations", "list", "--end", "some day"),
        ("annotations", "delete", "999999999"),
    ):
        refused = at(*words)
        assert refused.returncode == 1, words
        assert len(refused.stderr.splitlines()) == 1, words

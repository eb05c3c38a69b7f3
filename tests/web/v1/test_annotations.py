"""Annotations over the API: created, listed, deleted, bounded, controlled, and kept."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from audited import audited
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.errors import InvalidRequest, NotFound
from otpconv.storage import annotations
from otpconv.storage.sqlite import SqliteAnnotations, annotations as stored

PATH = "/v1/annotations"


@pytest.fixture
def api(own: httpx.Client) -> httpx.Client:
    return own


def test_an_annotation_is_created_listed_and_deleted(api: httpx.Client) -> None:
    made = api.post(PATH, json={"text": "Release 2.4", "at": "2026-01-31T12:00:00Z"})
    assert made.status_code == 201
    created = made.json()
    assert (created["at"], created["text"]) == (1_769_860_800_000, "Release 2.4")
    earlier = api.post(PATH, json={"text": "Incident", "at": 1_700_000_000_000}).json()
    assert [each["id"] for each in api.get(PATH).json()["annotations"]] == [earlier["id"], created["id"]]
    window = {"start": "2026-01-31T12:00Z", "end": "2026-02-01"}
    assert api.get(PATH, params=window).json()["annotations"] == [created]
    assert api.get(PATH, params=window | {"end": "2026-01-31T12:00Z"}).json()["annotations"] == []
    assert api.delete(f"{PATH}/{created['id']}").json() == {"deleted": created["id"]}
    assert api.delete(f"{PATH}/{created['id']}").status_code == 404
    assert api.get(PATH).json()["annotations"] == [earlier]


def test_without_a_time_it_marks_now(api: httpx.Client) -> None:
    created = api.post(PATH, json={"text": "now"}).json()
    assert created["at"] == created["created_at"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": ""},
        {"text": "  "},
        {"text": "two\nlines"},
        {"text": "x" * (annotations.MAX_TEXT_CHARS + 1)},
        {"text": "x", "at": "tomorrowish"},
        {"text": "x", "at": -1},
        {"text": "x", "colour": "red"},
        [],
    ],
)
def test_a_malformed_annotation_is_refused_in_words(api: httpx.Client, body: object) -> None:
    answer = api.post(PATH, json=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "InvalidRequest"
    assert api.get(PATH).json()["annotations"] == []


@pytest.mark.parametrize("query", ["start=1&start=2", "from=1", "start=x"])
def test_a_malformed_window_is_refused(api: httpx.Client, query: str) -> None:
    assert api.get(f"{PATH}?{query}").status_code == 400


@pytest.mark.parametrize("name", ["0", "x", "1" * 40, "-1", "٣"])
def test_an_unknown_id_is_not_found(api: httpx.Client, name: str) -> None:
    assert api.delete(f"{PATH}/{name}").status_code == 404


def test_an_account_sees_and_deletes_only_its_own_up_to_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (stored, annotations):
        monkeypatch.setattr(module, "MAX_ANNOTATIONS", 3)
    store = SqliteAnnotations(tmp_path / "annotations.sqlite")
    ours = [store.create(1, at, "x", created_by="us", now=9) for at in (3, 1, 2)]
    theirs = store.create(2, 1, "y", created_by="them", now=9)
    with pytest.raises(InvalidRequest, match="already has 3"):
        store.create(1, 4, "x", created_by="us", now=9)
    with pytest.raises(NotFound):
        store.delete(1, theirs.id)
    reopened = SqliteAnnotations(tmp_path / "annotations.sqlite")
    assert [each.at for each in reopened.between(1, 1, 3)] == [1, 2]
    assert reopened.between(2, 0, 9) == [theirs]
    reopened.delete(1, ours[0].id)
    # An id is never given again: a second delete of it must not hit another annotation.
    assert store.create(1, 4, "x", created_by="us", now=9).id > theirs.id
    assert (tmp_path / "annotations.sqlite").stat().st_mode & 0o777 == 0o600


def test_policies_decide_who_may_do_what(
    server: LocalServer, make_key: Callable[..., AccessKey], own: httpx.Client, key: AccessKey
) -> None:
    created = own.post(PATH, json={"text": "ours"}).json()
    reader = make_key("OtpconvReadOnly", account=key.account_name)
    with httpx.Client(base_url=server.url, auth=(reader.access_key_id, reader.secret)) as client:
        assert client.get(PATH).json()["annotations"] == [created]
        refused = client.post(PATH, json={"text": "not ours"})
        assert (refused.status_code, refused.json()["code"]) == (403, "AccessDenied")
        assert "otpconv:CreateAnnotation" in refused.json()["detail"]
        assert client.delete(f"{PATH}/{created['id']}").status_code == 403


def test_a_change_is_a_line_in_the_audit_trail_and_a_look_is_none(
    server: LocalServer, own: httpx.Client, key: AccessKey
) -> None:
    created = own.post(PATH, json={"text": "ours"})
    name = f"annotation {created.json()['id']}"
    assert own.get(PATH).status_code == 200
    deleted = own.delete(f"{PATH}/{created.json()['id']}")
    again = own.delete(f"{PATH}/{created.json()['id']}")
    assert again.status_code == 404
    lines = audited(server.data)
    ours = [line for line in lines if line["who"] == key.access_key_id]
    assert [(line["what"], line["subject"], line["outcome"]) for line in ours] == [
        ("CreateAnnotation", name, "done"),
        ("DeleteAnnotation", name, "done"),
        ("DeleteAnnotation", name, "NotFound"),
    ]
    for line, answer in zip(ours, (created, deleted, again), strict=True):
        assert (line["user"], line["account"], line["from"]) == (key.display_name, key.account, "127.0.0.1")
        assert line["request_id"] == answer.headers["x-request-id"]

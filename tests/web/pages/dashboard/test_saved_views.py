"""Saved views and remembered choices: who sees and changes them, their bounds, and hostile names."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from audited import audited
from otpconv.access.keys import AccessKey
from otpconv.access.saved_views import MAX_NAME_CHARS, MAX_VIEWS
from otpconv.cli.local_server import LocalServer

HOSTILE = ["<script>alert(1)</script>", "{{ 7 * 7 }}", "\"' onclick=x", "a&amp;b", "😀 Ω", "../../etc"]
MakeKey = Callable[..., AccessKey]


class Viewer:
    """Somebody who is signed in, with the token of the sign-in's forms."""

    def __init__(self, url: str, key: AccessKey) -> None:
        self.http = httpx.Client(base_url=url, headers={"accept": "text/html", "origin": url}, timeout=30)
        form = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
        assert self.http.post("/sign-in", data=form).status_code == 303
        self.token = re.findall(r'name="form_token" value="([^"]+)"', self.http.get("/explorer").text)[0]

    def post(self, path: str, **fields: str) -> httpx.Response:
        return self.http.post(path, data={"form_token": self.token, **fields})

    def save(self, name: str, view: str = "/dashboard?window=7d") -> httpx.Response:
        return self.post("/dashboard/views", name=name, view=view)

    def views(self) -> dict[str, str]:
        """The names of the saved views, and the links that open them."""
        page = self.http.get("/dashboard/views").text
        rows = re.findall(r'<li><a href="(/dashboard\?[^"]*)">([^<]*)</a>', page)
        return {unescape(name): unescape(link) for link, name in rows}

    def ids(self) -> list[str]:
        """The ids of the views that the page offers to change."""
        return re.findall(r"/dashboard/views/(\d+)/delete", self.http.get("/dashboard/views").text)


@pytest.fixture
def viewer(server: LocalServer) -> Iterator[Callable[[AccessKey], Viewer]]:
    """Signs viewers in."""
    made: list[Viewer] = []

    def sign_in(key: AccessKey) -> Viewer:
        made.append(Viewer(server.url, key))
        return made[-1]

    yield sign_in
    for each in made:
        each.http.close()


def test_a_saved_view_opens_the_same_view_for_everybody_in_the_account(
    viewer: Callable[[AccessKey], Viewer], make_key: MakeKey, key: AccessKey
) -> None:
    mine = viewer(key)
    assert mine.post("/dashboard/choices", tz="Asia/Tokyo", view="/dashboard").status_code == 303
    url = "/dashboard?window=6h&country=DE&sort=-requested&q=a%26b&columns=rate,lost"
    answer = mine.save("Germany", url)
    assert urlsplit(answer.headers["location"]).fragment == "views"
    other = viewer(make_key("OtpconvReadOnly", key.account_name))
    link = other.views()["Germany"]
    # The zone was chosen by a cookie, which others do not have.
    assert parse_qs(urlsplit(link).query) == {
        "window": ["6h"],
        "country": ["DE"],
        "sort": ["-requested"],
        "q": ["a&b"],
        "columns": ["rate,lost"],
        "tz": ["Asia/Tokyo"],
    }
    assert "Asia/Tokyo" in other.http.get(link).text
    assert link.replace("&", "&amp;") in other.http.get("/dashboard").text
    assert viewer(make_key()).views() == {}


def test_views_are_renamed_and_deleted_by_their_owner_and_by_who_may_manage_them(
    viewer: Callable[[AccessKey], Viewer], make_key: MakeKey, key: AccessKey, server: LocalServer
) -> None:
    admin, reader = viewer(key), viewer(make_key("OtpconvReadOnly", key.account_name))
    stranger = viewer(make_key())
    admin.save("one")
    (number,) = admin.ids()
    assert reader.views().keys() == {"one"}
    assert reader.ids() == []
    assert reader.save("two").status_code == 403
    for path in ("rename", "delete"):
        assert reader.post(f"/dashboard/views/{number}/{path}", name="x").status_code == 403
        assert stranger.post(f"/dashboard/views/{number}/{path}", name="x").status_code == 404
        assert admin.post(f"/dashboard/views/{number}/{path}", form_token="wrong").status_code == 403  # noqa: S106
        assert admin.post(f"/dashboard/views/x{number}/{path}", name="x").status_code == 404
    assert admin.post(f"/dashboard/views/{number}/rename", name="better").status_code == 303
    assert admin.views().keys() == {"better"}
    colleague = viewer(make_key("AdministratorAccess", key.account_name))
    assert colleague.post(f"/dashboard/views/{number}/delete").status_code == 303
    assert admin.views() == {}
    lines = audited(server.data)
    done = [
        line["what"] for line in lines if line.get("account") == key.account and line["outcome"] == "done"
    ]
    assert done == ["SaveView", "RenameView", "DeleteView"]


def test_names_are_text_and_nothing_else(viewer: Callable[[AccessKey], Viewer], key: AccessKey) -> None:
    mine = viewer(key)
    for name in HOSTILE:
        assert mine.save(name).status_code == 303
    assert set(mine.views()) == set(HOSTILE)
    for path in ("/dashboard", "/dashboard/views"):
        page = mine.http.get(path).text
        assert "<script>alert" not in page
        assert "onclick=x>" not in page
    for name in ("", "   ", "a\nb", "a\u202eb", "x" * (MAX_NAME_CHARS + 1), HOSTILE[0]):
        assert mine.save(name).status_code == 400
    for view in (
        "/dashboard?window=2y",
        "/dashboard?x=1",
        "http://[",
        "/dashboard?" + "provider=" + "x" * 5000,
    ):
        assert mine.save("new", view).status_code == 400
    assert set(mine.views()) == set(HOSTILE)


def test_an_account_has_a_bounded_number_of_views(
    viewer: Callable[[AccessKey], Viewer], key: AccessKey
) -> None:
    mine = viewer(key)
    for number in range(MAX_VIEWS):
        assert mine.save(f"view {number}").status_code == 303
    refused = mine.save("one more")
    assert refused.status_code == 400
    assert "Delete old ones first" in refused.text
    # The dashboard lists some, and leads to all.
    page = mine.http.get("/dashboard").text
    assert f"All {MAX_VIEWS} views" in page
    assert len(mine.views()) == MAX_VIEWS


# Choices that are remembered.


def test_a_choice_is_in_the_url_and_is_remembered(
    viewer: Callable[[AccessKey], Viewer], key: AccessKey, own: httpx.Client
) -> None:
    own.post("/v1/messages", json={"messages": [{"message_id": f"t{n}", "country": "DE"} for n in range(30)]})
    mine = viewer(key)
    answer = mine.post("/dashboard/choices", tz="Asia/Kolkata", view="/dashboard?window=1h&tz=UTC")
    assert answer.headers["location"] == "/dashboard?window=1h&tz=Asia%2FKolkata#zone"
    assert "SameSite=lax" in answer.headers["set-cookie"]
    assert "Max-Age=31536000" in answer.headers["set-cookie"]  # a year
    fields = {"column-rate": "1", "column-requested": "1", "view": "https://example.org/dashboard?window=1h"}
    answer = mine.post("/dashboard/choices", **fields)
    assert answer.headers["location"] == "/dashboard?window=1h&columns=rate%2Crequested#columns"
    page = mine.http.get("/dashboard?by=country").text
    assert "Times in Asia/Kolkata" in page
    assert re.findall(r'id="sort-(\w+)"', page) == ["group", "rate", "requested"]
    # A link chooses for itself, and is not remembered.
    assert "Times in Europe/Berlin" in mine.http.get("/dashboard?tz=Europe/Berlin&columns=lost").text
    assert "Times in Asia/Kolkata" in mine.http.get("/dashboard").text
    csv = mine.http.get("/dashboard/rates.csv?by=country").text.splitlines()
    assert csv[0].endswith(",from (Asia/Kolkata),to (Asia/Kolkata)")
    assert csv[1].endswith("+05:30")
    mine.post("/dashboard/choices", reset="1", view="/dashboard")
    assert 'id="sort-lost"' in mine.http.get("/dashboard?by=country").text


@pytest.mark.parametrize(
    "fields", [{"tz": "Mars/Base"}, {"column-colour": "1"}, {"tz": "UTC", "view": "/dashboard?window=2y"}]
)
def test_a_malformed_choice_is_refused_and_not_remembered(
    viewer: Callable[[AccessKey], Viewer], key: AccessKey, fields: dict[str, str]
) -> None:
    answer = viewer(key).post("/dashboard/choices", **fields)
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers


def test_any_cookie_is_survived(viewer: Callable[[AccessKey], Viewer], key: AccessKey) -> None:
    mine = viewer(key)
    for value in (
        "tz=Mars%2FBase&columns=x",
        "tz=..%2F..%2Fetc%2Fpasswd",
        "%00%ff",
        "x" * 3000,
        "tz=" + "a" * 300,
    ):
        mine.http.cookies.set("otpconv-choices", value)
        page = mine.http.get("/dashboard")
        assert page.status_code == 200
        assert "Times in UTC" in page.text
        mine.http.cookies.delete("otpconv-choices")

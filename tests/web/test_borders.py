"""What callers name things, on its way out: text in every output, and never a formula, a tag or a control."""

import csv
import io
import json
import logging
import os
import pty
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st
from prometheus_client.parser import text_string_to_metric_families

from otpconv.access.keys import AccessKey
from otpconv.cli.characters import as_json, one_line, visible
from otpconv.cli.export import EXPORTED, _csv_writer
from otpconv.cli.importing.run import Table
from otpconv.cli.local_server import LocalServer
from otpconv.cli.logs import JsonFormatter, LineFormatter
from otpconv.config import environment
from otpconv.csv_cells import escaped, unescaped


def batched(characters: Iterable[str], size: int) -> list[str]:
    """Cut characters into texts of at most so many."""
    text = "".join(characters)
    return [text[n : n + size] for n in range(0, len(text), size)]


HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
#: Every character of the first planes that matter, and some of the others; lone surrogates are not text.
EVERY = [
    chr(n) for n in (*range(0xD800), *range(0xE000, 0x10000), *range(0x1F600, 0x1F650), 0xE0001, 0x10FFFF)
]
FORMULAS = ["=1+1", "+1", "-1.5", "@SUM(A1)", "'=1", "''", "＝1"]  # noqa: RUF001 - they are meant
ATTACKS = [
    "[/nope]",
    "[red]alarm[/red]",
    ":smile:",
    "\x9b31mred",
    "\x9d8;;http://evil.example\x9clink",
    "\u202egpj.exe",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a\u2028b\u2029c",
    'x{y="z"}',
    "back\\slash\\n",
    "{{7*7}}",
]
#: What the API takes: everything but C0 controls and DEL. Names have at most 128 characters.
PARTS = ["x" + part for part in batched((c for c in EVERY if c >= " " and c != "\x7f"), 100)]
NAMES = [*FORMULAS, *ATTACKS, *PARTS[:20], *PARTS[-3:]]


def shown_only(text: str, *, controls: str = "\n") -> bool:
    return not [c for c in text if unicodedata.category(c) in HIDDEN and c not in controls]


@pytest.fixture(scope="module")
def key(make_key: Callable[..., AccessKey]) -> AccessKey:
    """A key of an account whose providers have all kinds of names."""
    return make_key()


@pytest.fixture(scope="module")
def asked(server: LocalServer, key: AccessKey) -> Iterator[httpx.Client]:
    """A client of that account."""
    messages = [{"message_id": str(n), "provider": name} for n, name in enumerate(NAMES)]
    with httpx.Client(base_url=server.url, auth=(key.access_key_id, key.secret), timeout=30) as client:
        assert client.post("/v1/messages", json={"messages": messages}).json()["recorded"] == len(NAMES)
        while client.get("/v1/rates").json()["rows"][0]["requested"] < len(NAMES):
            pass
        yield client


def rates(server: LocalServer, key: AccessKey, stdout: int, *options: str) -> subprocess.Popen[bytes]:
    """Run `otpconv rates` by provider."""
    own = {"OTPCONV_ACCESS_KEY_ID": key.access_key_id, "OTPCONV_ACCESS_KEY_SECRET": key.secret}
    terminal = {"NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "400"}
    command = [sys.executable, "-m", "otpconv", "rates", "--by", "provider", "--endpoint", server.url]
    return subprocess.Popen(  # noqa: S603 - our own command
        [*command, *options], env=environment() | own | terminal, stdout=stdout
    )


# CSV.


@given(st.text() | st.builds("{}{}".format, st.sampled_from("=+-@\t\r\n'＝＋－＠"), st.text()))  # noqa: RUF001
def test_no_cell_is_a_formula_and_each_is_read_back_as_it_was(text: str) -> None:
    cell = escaped(text)
    assert cell[:1] not in {*"=+-@\t\r\n＝＋－＠"}  # noqa: RUF001
    assert unescaped(cell) == text


def test_rates_as_csv_hold_no_formula_and_numbers_stay_numbers(asked: httpx.Client) -> None:
    text = asked.get("/v1/rates", params={"by": "provider", "compare": "day", "format": "csv"}).text
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {unescaped(row["provider"]) for row in rows} == set(NAMES)
    for row in rows:
        assert row["provider"][:1] not in {*"=+-@\t\r\n"}
        for name in ("requested", "verified", "rate_low"):
            float(row[name])


def test_a_negative_number_is_no_text(server: LocalServer, make_key: Callable[..., AccessKey]) -> None:
    key = make_key()
    day = 86_400_000
    with httpx.Client(base_url=server.url, auth=(key.access_key_id, key.secret)) as client:
        end = 1_700_000_000_000
        messages = [{"message_id": str(n), "requested_at": end - 1 - (n < 4) * day} for n in range(8)]
        client.post("/v1/messages", json={"messages": messages})
        verified = [{"message_id": str(n), "delivered": True, "conversion_time": end} for n in range(4)]
        client.post("/v1/conversions", json={"conversions": verified})
        params = {"start": end - day, "end": end, "compare": "day", "format": "csv"}
        while True:
            [row] = csv.DictReader(io.StringIO(client.get("/v1/rates", params=params).text))
            if row["before_verified"] == "4":
                break
    assert float(row["change"]) < 0


def test_an_export_holds_no_formula_and_is_imported_as_it_was(tmp_path: Path) -> None:
    texts = [*NAMES, *(f"{c}x" for c in EVERY[:0x3000] if c != "\r")]
    file = tmp_path / "messages.csv"
    with file.open("wb") as stream:
        write = _csv_writer(stream)
        for text in texts:
            write({"message_id": text, "attempt": -1})
    assert EXPORTED[0] == "message_id"
    with file.open(newline="", encoding="utf-8") as opened:
        cells = [(row["message_id"], row["attempt"]) for row in csv.DictReader(opened)]
    assert {first[:1] for first, _ in cells}.isdisjoint("=+-@\t\r\n")
    assert {attempt for _, attempt in cells} == {"-1"}
    with file.open("rb") as stream:
        read = [row.original for row in Table("csv", None, None, {}).open(stream)[2]]
    assert [row["message_id"] for row in read if isinstance(row, dict)] == texts


# The terminal, and what goes to it or past it.


@pytest.mark.parametrize("arguments", [(), ("--plot",), ("--csv",), ("--json",)])
@pytest.mark.usefixtures("asked")
def test_no_control_character_of_a_name_reaches_a_terminal(
    server: LocalServer, key: AccessKey, arguments: tuple[str, ...]
) -> None:
    ours, theirs = pty.openpty()
    with rates(server, key, theirs, *arguments) as process:
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 65_536):
                said += part
        except OSError:  # how the end of a terminal reads
            pass
    os.close(ours)
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", said.decode())  # bold and the like, of our own
    assert shown_only(text, controls="\r\n")
    for name in ("[/nope]", ":smile:", "[red]alarm[/red]"):
        assert name in text


@pytest.mark.usefixtures("asked")
def test_a_pipe_is_given_csv_as_it_came(server: LocalServer, key: AccessKey) -> None:
    with rates(server, key, subprocess.PIPE, "--csv") as process:
        said, _ = process.communicate(timeout=60)
    rows = list(csv.DictReader(io.StringIO(said.decode(), newline="")))
    assert {unescaped(row["provider"]) for row in rows} == set(NAMES)


def test_texts_for_people_and_json_for_machines_show_every_character_or_its_escape() -> None:
    for part in batched([*EVERY, "\ud800"], 64):
        text = part
        assert shown_only(visible(text))
        assert "\n" not in one_line(text)
        line = as_json({"a": text} if "\ud800" not in text else {"a": text.replace("\ud800", "")})
        assert shown_only(line, controls="")
        assert json.loads(line)["a"] == text.replace("\ud800", "")
    assert visible("Übergröße 测试 ✓ 😀") == "Übergröße 测试 ✓ 😀"


@pytest.mark.parametrize("formatter", [LineFormatter(), JsonFormatter()], ids=["line", "json"])
def test_a_log_record_is_one_line_whatever_is_in_it(formatter: logging.Formatter) -> None:
    for part in batched(EVERY, 64):
        text = part
        record = logging.LogRecord("otpconv", logging.INFO, __file__, 1, "%s of %s", (text, "x"), None)
        line = formatter.format(record)
        assert shown_only(line, controls="")
        if isinstance(formatter, JsonFormatter):
            assert json.loads(line)["message"] == f"{text} of x"


def test_a_traceback_in_the_log_has_no_control_character_either() -> None:
    def fail() -> None:
        raise ValueError("\x1b]0;title\x07\x9b31m\nforged line")

    try:
        fail()
    except ValueError:
        record = logging.LogRecord("otpconv", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    for formatter in (LineFormatter(), JsonFormatter()):
        assert shown_only(formatter.format(record))


# Machines and browsers.


def test_json_parquet_and_prometheus_give_every_name_as_it_was(asked: httpx.Client) -> None:
    rows = asked.get("/v1/rates", params={"by": "provider"}).json()["rows"]
    assert {row["provider"] for row in rows} == set(NAMES)
    parquet = asked.get("/v1/rates", params={"by": "provider", "format": "parquet"}).content
    assert set(pq.read_table(io.BytesIO(parquet))["provider"].to_pylist()) == set(NAMES)
    text = asked.get("/metrics").text
    labels = {
        sample.labels["provider"]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "otpconv_requested_messages"
    }
    assert labels == set(NAMES)


class Tags(HTMLParser):
    """Collects the tags and attributes of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.tags |= {f"{tag} {name}" for name, _ in attrs if name.startswith("on")}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.usefixtures("asked")
def test_a_page_shows_names_as_text(server: LocalServer, key: AccessKey) -> None:
    form = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
    with httpx.Client(base_url=server.url, headers={"accept": "text/html"}, timeout=30) as browser:
        browser.post("/sign-in", data=form)
        for name in [*ATTACKS, *FORMULAS]:
            for params in ({"by": "provider"}, {"by": "country", "provider": name}):
                page = browser.get("/dashboard", params=params)
                assert page.status_code == 200
                tags = Tags()
                tags.feed(page.text)
                assert "<script>alert" not in page.text
                assert not [tag for tag in tags.tags if " on" in tag]

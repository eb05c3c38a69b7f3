"""The commands of README.md and of the tutorial, word for word, in their order, as somebody pastes them.

They name http://127.0.0.1:8080, otpconv-data/first-key and .venv. The commands run in a folder that has the
last two. Settings of curl and of otpconv redirect port 8080 to the test's own server.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from campaigns import parameters
from otpconv.config import environment

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "127.0.0.1:8080"
PAGES = ("README.md", "docs/tutorial.md")
#: Plays a day of traffic.
COSTLY = {".venv/bin/otpconv demo --check"}


class Block(NamedTuple):
    """A block of code of a page."""

    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in their order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]


def inline(page: str) -> list[str]:
    """The commands in the text of a page."""
    text = re.sub(
        r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return re.findall(r"`((?:\.venv/bin/|make |otpconv |pip |curl )[^`]*)`", text)


COMMANDS = list(dict.fromkeys(command for page in PAGES for command in inline(page)))


def made_by(target: str) -> list[str]:
    """The commands of a target of the Makefile, as make would run them."""
    make = shutil.which("make") or pytest.skip("there is no make here")
    command = [make, "--no-print-directory", "--dry-run", "--always-make", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    return done.stdout.splitlines()


class Reader:
    """Somebody with a terminal in a clone of the repository, where `make serve` runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".venv").symlink_to(sys.prefix)
        kept = {name: value for name, value in environment().items() if not name.startswith("OTPCONV_")}
        self._environment = kept | {
            "PATH": f"{sys.prefix}/bin{os.pathsep}{kept['PATH']}",
            "COLUMNS": "200",
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "NO_PROXY": "127.0.0.1",
        }
        self._server: subprocess.Popen[str] | None = None
        self.address = ""

    def serve(self) -> None:
        """Start the command of `make serve`, on a free port."""
        command = made_by("serve")[-1]
        assert command == "exec .venv/bin/otpconv serve   ", command
        self._server = subprocess.Popen(  # noqa: S602 - our own Makefile's words
            command,
            shell=True,
            cwd=self.folder,
            env=self._environment | {"OTPCONV_PORT": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._server.stdout is not None
        found = re.search(r" listens on http://(\S+),", self._server.stdout.readline())
        assert found
        self.address = found[1]
        (self.folder / ".curlrc").write_text(f"silent\nshow-error\nconnect-to = {ADDRESS}:{self.address}\n")
        self._environment |= {"CURL_HOME": str(self.folder), "OTPCONV_ENDPOINT": f"http://{self.address}"}

    def stop(self) -> None:
        if self._server is not None:
            self._server.send_signal(signal.SIGTERM)
            self._server.communicate(timeout=30)

    def pastes(self, commands: str) -> str:
        """What commands print; they must end well and print no error."""
        done = subprocess.run(  # noqa: S603 - the words of our own documents
            ["bash", "-e", "-o", "pipefail", "-c", commands],  # noqa: S607
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader whose server runs, with nothing in it."""
    one = Reader(tmp_path)
    try:
        one.serve()
        yield one
    finally:
        one.stop()


def objects(text: str) -> list[Any]:
    """The JSON values of a text, which stand side by side."""
    decoder, found = json.JSONDecoder(), []
    while text := text.strip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


@pytest.mark.long("plays a reader who starts the server and waits for its answers")
def test_every_block_of_the_readme_does_what_it_says(reader: Reader) -> None:
    make, demo, first_calls, install, call = blocks("README.md")
    # Two commands, each with a comment; the fixture runs that of `make serve`.
    assert re.findall(r"^make (\w+) +# .*\n", make.text, re.MULTILINE) == ["serve", "test"]
    assert make.text.count("\n") == 2
    assert demo.text == "make demo\n"  # a test in the browser runs it
    assert made_by("test")[-1].startswith(".venv/bin/python -m pytest ")
    message, conversion, rates = objects(reader.pastes(first_calls.text))
    assert message["recorded"] == conversion["recorded"] == 1
    (row,) = rates["rows"]
    assert (row["country"], row["provider"], row["verified"]) == ("DE", "acme", 1)
    assert "already satisfied: alibabacloud-dysmsapi20180501 " in reader.pastes(install.text)
    (reader.folder / "call.py").write_text(call.text.replace(ADDRESS, reader.address))
    assert reader.pastes("python -W error call.py") == "OK\n"


def test_every_block_of_the_tutorial_does_what_it_says(reader: Reader) -> None:
    serve, messages, recorded, verified, not_verified, rates, table, demo = blocks("docs/tutorial.md")
    assert serve.text == "make serve\n"
    assert reader.pastes(messages.text) == recorded.text.strip()
    assert json.loads(reader.pastes(messages.text))["unchanged"] == 2
    for command in (verified, not_verified):
        assert reader.pastes(command.text).startswith("OK")
    printed = [line.strip() for line in reader.pastes(rates.text).splitlines()]
    for row in table.text.splitlines():
        assert any(line.startswith(row.strip(" ┃│")) for line in (each.strip("┃│ ") for each in printed)), row
    for options in re.findall(r"`(--[^`]*)`", (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")):
        assert "DE" in reader.pastes(f"{rates.text.strip()} {options}"), options
    assert demo.text == ".venv/bin/otpconv demo --check\n"  # below


@pytest.mark.long("the demo plays a day of traffic")
@pytest.mark.parametrize(
    "command",
    parameters(
        COMMANDS, [each for each in COMMANDS if each not in COSTLY], "only here: it takes 14 s of CPU"
    ),
)
def test_every_command_in_the_text_works(command: str, tmp_path: Path) -> None:
    if command.startswith("make "):
        # What the site is made of is built by a test of the house.
        program = {
            "demo": "exec .venv/bin/otpconv demo --serve",
            "serve": "exec .venv/bin/otpconv ",
            "docs": ".venv/bin/python -m sphinx ",
        }
        target = command.removeprefix("make ")
        assert any(line.startswith(program[target]) for line in made_by(target))
    else:
        assert Reader(tmp_path).pastes(command) != ""


def test_the_demo_of_the_tutorial_is_that_of_the_readme() -> None:
    assert ".venv/bin/otpconv demo --check" in inline("README.md")

"""Imports into a server: interruptions, retries, summaries, and the commands that errors recommend."""

import ast
import contextlib
import gzip
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer.main

from campaigns import parameters
from cli.commands import Run, client_of, otpconv
from otpconv.cli.client import Client
from otpconv.cli.importing.checkpoint import Checkpoint, Progress
from otpconv.cli.importing.run import BATCH_ROWS
from otpconv.cli.importing.sender import Sender
from otpconv.cli.local_server import LocalServer
from otpconv.cli.main import app

SOURCES = Path(__file__).resolve().parents[2] / "src" / "otpconv"
AT = "2026-11-20T10:00:00Z"
KEY = ("--access-key-id", "x", "--access-key-secret", "y")
HEAD = "title\n\nmessage_id,requested_at,template\n"
Shell = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def run(server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command of otpconv in the test's folder, as the administrator of the shared server."""
    monkeypatch.chdir(tmp_path)
    return partial(otpconv, **client_of(server))


@pytest.fixture
def shell(server: LocalServer, tmp_path: Path) -> Shell:
    """Runs a line as people type it, with pipes and other programs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTPCONV_")}  # noqa: TID251
    variables = {f"OTPCONV_{name.upper()}": value for name, value in client_of(server).items()}
    variables["PATH"] = f"{Path(sys.executable).parent}:{kept['PATH']}"

    def command(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S602 - as people type it
            line, shell=True, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
            env=kept | variables,
        )  # fmt: skip

    return command


def summary(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Failing(BaseHTTPRequestHandler):
    """Takes the first call of reports and refuses the others; or refuses all at first."""

    after = 1
    calls = 0

    def do_POST(self) -> None:
        rows = self.rfile.read(int(self.headers["content-length"])).count(b"\n") + 1
        type(self).calls += 1
        refused = self.calls > self.after if self.after else self.calls == 1
        answer: dict[str, object] = {"recorded": rows, "unchanged": 0, "rejected": [], "ignored": []}
        if refused:
            answer = {"code": "Unavailable", "detail": "disk full"}
        body = json.dumps(answer).encode()
        self.send_response(503 if refused else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def failing(after: int) -> Iterator[str]:
    handler = type("Handler", (Failing,), {"after": after, "calls": 0})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as broken:
        threading.Thread(target=broken.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{broken.server_port}"
        broken.shutdown()


ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "plain": lambda text: text.encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
    "utf-16": lambda text: text.encode("utf-16"),
    "gzip-utf-16-cr": lambda text: gzip.compress(text.replace("\n", "\r").encode("utf-16")),
}


@pytest.mark.parametrize("encoding", parameters([*ENCODINGS], ["gzip-utf-16-cr"], "a part of the same"))
def test_an_interrupted_import_continues_with_the_next_row(run: Run, tmp_path: Path, encoding: str) -> None:
    name = os.urandom(4).hex()
    lines = (f'{name}-{n},{AT},"ü\n{n}"' for n in range(BATCH_ROWS + 10))
    (tmp_path / "rows.csv").write_bytes(ENCODINGS[encoding](HEAD + "\n".join(lines)))
    with failing(after=1) as endpoint:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "otpconv", "import", "rows.csv", "--endpoint", endpoint, *KEY],
            cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        before = list(takewhile(lambda line: "trying again" not in line, process.stderr))
        process.kill()
        process.wait()
        process.stderr.close()
    assert not any("Traceback" in line for line in before)
    progress = json.loads((tmp_path / "rows.csv.progress").read_bytes())
    assert (progress["rows"], progress["line"]) == (BATCH_ROWS, 3 + 2 * BATCH_ROWS)
    with failing(after=1000) as endpoint:
        done = run("import", "rows.csv", "--json", *KEY, "--endpoint", endpoint)
    # Another server is another import.
    assert summary(done)["rows"] == BATCH_ROWS + 10
    assert "starting with the first row" in done.stderr


def test_an_import_continues_where_it_was_and_every_row_is_there_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = os.urandom(4).hex()
    text = "message_id,requested_at\n" + "".join(f"{name}-{n},{AT}\n" for n in range(BATCH_ROWS + 10))
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(text.encode("utf-16")))
    handled = run("import", "rows.csv.gz", "--json")
    assert summary(handled)["recorded"] == BATCH_ROWS + 10
    # The progress of the first batch, as an interrupted run leaves it.
    save, saved = Checkpoint.save, list[Progress]()

    def save_once(checkpoint: Checkpoint, progress: Progress) -> None:
        if not saved:
            saved.append(progress)
            save(checkpoint, progress)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(Checkpoint, "save", save_once)
        interrupted.setattr(Checkpoint, "remove", lambda _: None)
        run("import", "rows.csv.gz")
    again = run("import", "rows.csv.gz", "--json")
    assert f"continuing after line {BATCH_ROWS + 1:,}" in again.stderr
    assert (summary(again)["rows"], summary(again)["recorded"]) == (BATCH_ROWS + 10, 0)
    assert not (tmp_path / "rows.csv.gz.progress").exists()


def test_a_retry_names_the_reason_that_the_server_gave(capsys: pytest.CaptureFixture[str]) -> None:
    with failing(after=0) as endpoint:
        answer = Sender(Client(endpoint, "x", "y")).send("/v1/messages", [b"{}"])
    assert answer.recorded == 1
    assert "trying again in 0.5 s: HTTP 503: disk full" in capsys.readouterr().err


def test_a_summary_says_what_was_mapped_repaired_assumed_and_left_out(run: Run, tmp_path: Path) -> None:
    name = os.urandom(4).hex()
    rows = "".join(f"{name}{n},2026-11-20 10:00:00,1008030399.0,out\n" for n in range(3))
    (tmp_path / "v.csv").write_text(
        f"MsgId,Sent,session_id,Kind\n{rows}{name}x,nope,,out\n{name}y,2026-11-20 10:00:00,,in\n"
    )
    done = run("import", "v.csv", "--only", "Kind=out", "--json")
    assert done.returncode == 1
    told = summary(done)
    assert (told["rows"], told["recorded"], told["rejected"], told["left_out"], told["repaired"]) == (
        5,
        3,
        1,
        1,
        3,
    )
    assert told["columns"] == {"message_id": "MsgId", "requested_at": "Sent"}
    assert any("read as UTC" in note for note in told["notes"])
    assert done.stderr.count("read as UTC") == 1
    assert told["first_reject"].startswith("line 5: requested_at is 'nope'")
    people = run("import", "v.csv", "--only", "Kind=out")
    assert "1 left out by --only" in people.stdout


def test_parts_of_one_message_are_one_message(run: Run, tmp_path: Path, native: httpx.Client) -> None:
    name = os.urandom(4).hex()
    head = "PublishTimeUTC,MessageId,DestinationPhoneNumber,PartNumber,TotalParts\n"
    rows = "".join(f"2026-01-10T03:00:29.476Z,{name},12025550100,{part},2\n" for part in (1, 2))
    (tmp_path / "usage.csv.gz").write_bytes(gzip.compress((head + rows).encode()))
    told = summary(run("import", "usage.csv.gz", "--json"))
    assert (told["recorded"], told["unchanged"]) == (1, 1)
    assert native.get(f"/v1/messages/{name}").json()["country"] == "US"


# What errors recommend.


@pytest.mark.parametrize(("tool", "unpack"), [("zstd", "zstd -dc"), ("xz", "xz -dc"), ("bzip2", "bzip2 -dc")])
def test_the_command_for_a_compressed_file_imports_it(
    run: Run, shell: Shell, tmp_path: Path, tool: str, unpack: str
) -> None:
    (tmp_path / "a.csv").write_text(f"message_id,requested_at\n{tool},{AT}\n")
    if shell(f"{tool} -k a.csv").returncode != 0:
        pytest.skip(f"{tool} is not installed")
    packed = next(path for path in tmp_path.iterdir() if path.name != "a.csv")
    refused = run("import", packed.name)
    assert refused.returncode == 2
    [command] = re.findall(r"`([^`]+)`", refused.stderr)
    assert command.startswith(unpack)
    done = shell(command.replace("FILE", packed.name))
    assert done.returncode == 0, done.stderr


def test_the_commands_for_a_json_list_and_for_rejected_rows_import_them(
    run: Run, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = os.urandom(4).hex()
    rows = [{"message_id": f"{name}{n}", "requested_at": "nope" if n else AT} for n in range(2)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    refused = run("import", "a.json")
    [command] = re.findall(r"`([^`]+)`", refused.stderr)
    if shell("jq --version").returncode != 0:
        pytest.skip("jq is not installed")
    done = shell(command.replace("FILE", "a.json") + " --json")
    assert (summary(done)["recorded"], summary(done)["rejected"]) == (1, 1)
    rejects = tmp_path / "stdin.rejects.ndjson"
    rejects.write_text(rejects.read_text().replace('"requested_at":"nope"', f'"requested_at":"{AT}"'))
    monkeypatch.setenv("COLUMNS", "200")
    [example] = re.findall(r"jq -c .row \S+ \| otpconv import -", run("import", "--help").stdout)
    again = shell(
        example.replace("vendor.csv.rejects.ndjson", rejects.name).replace("import -", "import - --rejects r")
    )
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("message_id,requested_at,发送状态\na,2026-11-20T10:00:00Z,成功\n", "gb18030"),
     ("message_id,requested_at,Größe\na,2026-11-20T10:00:00Z,1\n", "cp1252"),
     ("message_id,requested_at,x\na,2026-11-20T10:00:00Z,1\n", "utf-16-le")],
)  # fmt: skip
def test_the_encoding_that_an_error_recommends_reads_the_file(
    run: Run, tmp_path: Path, text: str, encoding: str
) -> None:
    (tmp_path / "v.csv").write_bytes(text.encode(encoding))
    refused = run("import", "v.csv")
    assert refused.returncode == 2
    option = re.findall(r"--encoding [\w-]+", refused.stderr)[-1]
    assert run("import", "v.csv", *option.split()).returncode == 0


def recommended() -> Iterator[tuple[str, str]]:
    """Each `otpconv …` in the source and in templates, with its place; {} stands for placeholders."""
    command = re.compile(r"(?<![\w./-])otpconv ((?:[a-z][a-z-]*|--?[a-z])[^`\n<;]*)")
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            texts = []
            if isinstance(node, ast.JoinedStr):
                texts = [
                    "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
                    )
                ]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts = [node.value]
            for text in texts:
                for found in command.finditer(text):
                    yield f"{path.name}:{node.lineno}", found[1]
    for path in sorted(SOURCES.rglob("*.html")):
        for found in command.finditer(path.read_text(encoding="utf-8")):
            yield path.name, found[1]


def test_every_command_that_a_text_recommends_exists_with_its_options() -> None:
    root = typer.main.get_command(app)
    checked = 0
    for place, line in recommended():
        current: Any = root
        words = re.split(r"[\s,:()'\"]+", line)
        while words and words[0] in getattr(current, "commands", {}):
            current = current.commands[words.pop(0)]
        if current is root:
            # A sentence about otpconv, unless it is quoted as a command.
            assert not re.search(rf"`otpconv {re.escape(line[:20])}", line), f"{place}: otpconv {line}"
            continue
        checked += 1
        options = {
            name for parameter in current.params for name in (*parameter.opts, *parameter.secondary_opts)
        }
        used = {word.rstrip(".") for word in words if re.fullmatch(r"--[a-z][a-z-]+\.?", word)}
        assert used <= options | {"--help"}, f"{place}: otpconv {line}"
    assert checked > 60

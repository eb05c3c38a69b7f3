"""The commands of docs/how-to/receipts.md, as they are written, against a running server."""

import json
import re
import shlex
from pathlib import Path

import httpx
import pytest

from cli.commands import Run

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/receipts.md"


def commands() -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def test_the_commands_of_the_page_work_as_they_are_written(
    at: Run, own: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("token.txt").write_text("receipts_key=t0ken\n", encoding="utf-8")
    Path("vonage.txt").write_text("", encoding="utf-8")
    given = commands()
    assert len(given) >= 15
    url = ""
    with Path("/dev/null").open(encoding="utf-8") as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        for line in given:
            words = shlex.split(line.removesuffix(" </dev/null"))
            if words[0] == "otpconv":
                done = at(*words[1:])
                assert done.returncode == 0, (line, done.stderr)
            elif words[0].startswith("URL="):
                url = json.loads(at("vendors", "receipts", "own", "--json").stdout)["url"]
            else:
                assert words[:3] == ["curl", "$URL", "-H"]
                kind, body = words[3].split(": ")[1], words[-1]
                answer = httpx.post(url, content=body, headers={"content-type": kind})
                assert answer.json()["recorded"] == 1
    made = own.get("/v1/vendors").json()["vendors"]
    assert {vendor["kind"] for vendor in made} == {"twilio", "vonage", "alibaba", "tencent", "aws", "webhook"}
    assert all(vendor["settings"]["relay"] == "off" for vendor in made)

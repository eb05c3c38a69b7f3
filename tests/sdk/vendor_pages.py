"""The code of docs/how-to/vendors/, as it is written but for the host and the access key."""

import re
from pathlib import Path
from typing import Any

import httpx

from otpconv.access.keys import AccessKey
from otpconv.dialects.telesign.signature import api_key

PAGES = Path(__file__).resolve().parents[2] / "docs/how-to/vendors"
SENT = 1_700_000_000_000


def code_of(vendor: str, language: str, url: str, key: AccessKey) -> str:
    """Return the blocks of a page in one language."""
    page = (PAGES / f"{vendor}.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    for written, meant in (
        ("https://otpconv.example.com", url),
        ("otpconv.example.com", url.partition("//")[2]),
        ("ACCESS_KEY_ID", key.access_key_id),
        ("ACCESS_KEY_SECRET", key.secret),
        ("API_KEY", api_key(key.secret)),
    ):
        code = (
            code.replace(f'"{written}"', f'"{meant}"')
            if written == "API_KEY"
            else code.replace(written, meant)
        )
    assert code
    return code


def run_python(vendor: str, url: str, key: AccessKey) -> dict[str, Any]:
    """Run the Python of a page, and return its variables."""
    names: dict[str, Any] = {}
    exec(compile(code_of(vendor, "python", url, key), f"{vendor}.md", "exec"), names)  # noqa: S102 - our own page
    return names


def request_messages(own: httpx.Client, *message_ids: str, **more: object) -> None:
    """Report messages as requested in 2023."""
    messages = [{"message_id": message_id, "requested_at": SENT, **more} for message_id in message_ids]
    assert own.post("/v1/messages", json={"messages": messages}).json()["recorded"] == len(messages)


def rates(own: httpx.Client) -> tuple[int, int]:
    """Return how many of these messages were requested and verified."""
    row = own.get("/v1/rates", params={"start": SENT - 1000, "end": SENT + 1000}).json()["rows"][0]
    return row["requested"], row["verified"]

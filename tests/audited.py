"""Reads the audit trail of a server that may be writing to it."""

import json
from pathlib import Path
from typing import Any

from otpconv import audit


def audited(data: Path) -> list[dict[str, Any]]:
    """The lines of the audit trail in a data folder.

    A line is appended in one write, but the kernel lets readers see the beginning of a write that is still
    going on. Such a line has no end yet.
    """
    file = data / audit.FILE
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

"""Runs the scripts of tests/sdk/node/, one for each Node SDK."""

import json
import subprocess
from pathlib import Path
from typing import Any

from otpconv.config import environment

SCRIPTS = Path(__file__).parent / "node"


def run_node(
    script: str, node_modules: Path, calls: list[dict[str, Any]], variables: dict[str, str]
) -> list[dict[str, Any]]:
    """Run a script with calls, and return what the SDK made of each."""
    done = subprocess.run(  # noqa: S603 - our own script
        ["node", SCRIPTS / script],  # noqa: S607 - the one on the path
        input=json.dumps(calls),
        env=environment() | {"NODE_PATH": str(node_modules)} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(answers) == len(calls)
    return answers

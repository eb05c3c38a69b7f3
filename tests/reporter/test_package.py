"""What importing costs, and what has to be installed: the reporter needs little, and the package nothing."""

import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer

ROOT = Path(__file__).resolve().parents[2]
#: What `pip install otpconv` may take, with everything that it installs.
MOST_BYTES = 25_000_000
#: How many modules importing the reporter may load, with those of the standard library. The time depends on
#: it: about 0.3 ms for each module.
MOST_MODULES = 130
LATER = {"asyncio", "cryptography", "http.client", "otpconv.delivery.native", "ssl", "urllib.request"}


def run(python: str | Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own words
        [str(python), *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_importing_the_package_loads_nothing_else() -> None:
    script = """
import sys
before = set(sys.modules)
import otpconv
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
"""
    done = run(sys.executable, "-c", script)
    assert set(done.stdout.split()) - {"importlib", "warnings"} == {"otpconv"}


def test_the_reporters_are_in_the_package_and_loaded_when_asked_for() -> None:
    script = """
import sys
from otpconv import AsyncReporter, Reporter, __version__
import otpconv, otpconv.reporter
assert (Reporter, AsyncReporter) == (otpconv.reporter.Reporter, otpconv.reporter.AsyncReporter)
for name in ("httpx", "rich", "typer", "starlette"):
    assert name not in sys.modules, name
from otpconv import *
try:
    otpconv.reporters
except AttributeError as error:
    print(error)
"""
    done = run(sys.executable, "-W", "error", "-c", script)
    assert (done.stdout, done.stderr) == ("module 'otpconv' has no attribute 'reporters'\n", "")


def test_type_checkers_see_what_the_package_gives(tmp_path: Path) -> None:
    script = "from otpconv import Reporter\nimport otpconv\nreveal_type(Reporter)\notpconv.reporters\n"
    (tmp_path / "shop.py").write_text(script)
    config = tmp_path / "mypy.ini"
    config.write_text(
        f"[mypy]\nstrict = True\nmypy_path = {ROOT / 'src'}\ncache_dir = {ROOT / '.mypy_cache'}\n"
    )
    done = run(sys.executable, "-m", "mypy", "--config-file", str(config), str(tmp_path / "shop.py"))
    assert "-> otpconv.reporter.reporter.Reporter" in done.stdout
    assert 'Module has no attribute "reporters"' in done.stdout
    assert "Found 1 error" in done.stdout


def needed(requirements: list[str]) -> Iterator[str]:
    """The distributions that pip would install for these, each perhaps more than once."""
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name
            yield from needed(distribution(requirement.name).requires or [])


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with `pip install otpconv` and nothing more."""
    folder = tmp_path_factory.mktemp("client") / "venv"
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in set(needed(project["dependencies"])):
        installed = distribution(name)
        for top in {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}:
            (site / top).symlink_to(str(installed.locate_file(top)))
    (site / "otpconv").symlink_to(ROOT / "src/otpconv")
    return folder / "bin/python"


def installed_bytes(files: Iterable[Path]) -> int:
    """The size of installed files; pip adds bytecode to each module, which is about as large."""
    return sum(
        file.stat().st_size * (2 if file.suffix == ".py" else 1)
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
    )


def test_the_reporter_and_what_it_needs_take_less_than_25_mb() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    sizes = {"otpconv": installed_bytes((ROOT / "src/otpconv").rglob("*"))} | {
        name: installed_bytes(Path(str(file.locate())) for file in distribution(name).files or ())
        for name in set(needed(project["dependencies"]))
    }
    assert 10_000_000 < sum(sizes.values()) < MOST_BYTES, sizes


def test_importing_the_reporter_loads_neither_what_sends_nor_what_seals(python: Path) -> None:
    # A reporter loads these when it is made, in the caller's thread. A child forked while another thread
    # imports would wait for that import forever.
    script = f"""
import sys
from threading import active_count
bare = set(sys.modules)
from otpconv import Reporter
assert not sys.modules.keys() & {LATER!r}, sys.modules.keys() & {LATER!r}
added = len(set(sys.modules) - bare)
reporter = Reporter("http://127.0.0.1:9", access_key_id="a", access_key_secret="b", spool=sys.argv[1])
assert active_count() == 1, "the delivering thread is started by the first report"
assert {LATER - {"asyncio"}!r} <= sys.modules.keys(), {LATER!r} - sys.modules.keys()
reporter.close(0)
print(added)
"""
    done = run(python, "-c", script, str(python.parents[1] / "spool"))
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) <= MOST_MODULES


def test_with_the_core_dependencies_alone_a_reporter_reports(
    python: Path, server: LocalServer, key: AccessKey, own: httpx.Client, tmp_path: Path
) -> None:
    script = f"""
import importlib.util
for name in ("typer", "rich", "httpx", "starlette", "phonenumbers"):
    assert importlib.util.find_spec(name) is None, name
import asyncio
from otpconv import AsyncReporter, Reporter
options = {{
    "endpoint": {server.url!r},
    "access_key_id": {key.access_key_id!r},
    "access_key_secret": {key.secret!r},
    "spool": {str(tmp_path / "spool")!r},
}}
with Reporter(**options) as reporter:
    reporter.requested("a", to="+4915112345678", requested_at=1_700_000_000_000)
    assert reporter.flush(20), reporter.stats()
with Reporter(**options, dialect="alibaba") as reporter:
    reporter.report("a", to="+4915112345678")
    assert reporter.flush(20), reporter.stats()
async def log_in():
    async with AsyncReporter(**options) as reporter:
        await reporter.requested("b", requested_at=1_700_000_000_000)
        assert await reporter.flush(20), reporter.stats()
asyncio.run(log_in())
"""
    done = run(python, "-W", "error", "-c", script)
    assert (done.returncode, done.stderr) == (0, "")
    assert own.get("/v1/messages/a").json()["verified"] is True
    assert own.get("/v1/messages/b").status_code == 200


@pytest.mark.parametrize("words", [("report", "m1"), ("--version",), ()])
def test_without_the_command_line_s_libraries_the_command_says_what_to_install(
    python: Path, words: tuple[str, ...]
) -> None:
    module, _, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"][
        "otpconv"
    ].partition(":")
    script = f"import sys; from {module} import {function}; sys.exit({function}())"
    for done in (run(python, "-m", "otpconv", *words), run(python, "-c", script, *words)):
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert "pip install 'otpconv[cli]'" in done.stderr


def test_the_extras_that_are_used_by_the_command_line_bring_it() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {Requirement(text).name for text in extras["cli"]} == {"httpx", "rich", "typer"}
    assert [name for name, texts in extras.items() if "otpconv[cli]" in texts] == ["server", "plot"]

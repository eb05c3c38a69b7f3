"""What each dependency and package costs: `python -m benchmarks.weight` prints the tables.

A dependency costs what an installation would save without it: itself, and what nothing else in the same
installation needs. Sizes are those of the installed files without bytecode. Import times are CPU times, the
best of five processes.
"""

import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[1]
SOURCE: Final = ROOT / "src/otpconv"
_TIMES = 5
_MB = 1_000_000

#: Direct dependency: the module that otpconv imports, and what for.
PURPOSES: Final = {
    "aiokafka": ("aiokafka", "reports through Kafka"),
    "aiormq": ("aiormq", "reports through RabbitMQ"),
    "altair": ("altair", "describes charts as Vega-Lite"),
    "apprise": ("apprise", "notifications of alerts, in a process of its own"),
    "apsw": ("apsw", "SQLite in one known version, with its full API"),
    "cryptography": (
        "cryptography.hazmat.primitives.ciphers.aead",
        "AES-GCM: phone numbers in the spool, secrets at rest",
    ),
    "authlib": ("authlib.oidc.core", "signing in through an OpenID Connect provider"),
    "joserfc": ("joserfc.jwt", "the signatures of its ID tokens"),
    "psycopg": ("psycopg", "PostgreSQL as the storage"),
    "granian": ("granian", "the HTTP server"),
    "httpx": ("httpx", "calls of the command line to a server"),
    "jinja2": ("jinja2", "templates of the pages"),
    "msgspec": ("msgspec", "typed values and JSON everywhere"),
    "nats-py": ("nats", "reports through NATS JetStream"),
    "phonenumbers": ("phonenumbers", "country, carrier and range of a phone number"),
    "prometheus-client": ("prometheus_client", "/metrics"),
    "pydantic-settings": ("pydantic_settings", "settings from variables and TOML"),
    "redis": ("redis.asyncio", "reports through Redis Streams"),
    "rich": ("rich.table", "tables and progress bars in a terminal"),
    "starlette": ("starlette.applications", "routes, requests and responses"),
    "typer": ("typer", "the command line"),
    "typing-extensions": ("typing_extensions", "`override`, which Python has since 3.12"),
    "tzdata": ("tzdata", "time zones on systems without them"),
    "uvloop": ("uvloop", "the event loop of the server"),
    "vl-convert-python": ("vl_convert", "draws charts as SVG and PNG, without a browser or network"),
}
#: What users start, and the import that it costs.
ENTRIES: Final = {
    "`from otpconv import Reporter`": "otpconv.reporter",
    "`Reporter(…)`, to a server": "otpconv.reporter, otpconv.delivery.native, otpconv.reporter.numbers",
    "`otpconv --help`": "otpconv.cli.main",
    "`otpconv serve`": "otpconv.cli.main, otpconv.web.app",
}


def extras() -> dict[str, list[str]]:
    """Return the direct dependencies of each extra; those of every installation are under the empty name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: sorted({*_direct(requirements)} - {"otpconv"}) for extra, requirements in groups.items()}


def installed(extra: str) -> list[str]:
    """Return the direct dependencies of an installation with an extra, those of other extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = project["optional-dependencies"].get(extra, [])
    nested = [each for text in requirements for each in Requirement(text).extras if "otpconv[" in text]
    own = extras()
    return sorted({name for group in ("", extra, *nested) for name in own[group]})


def needed(names: Iterable[str]) -> set[str]:
    """Return distributions and all that they need on this machine."""
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            requirements = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # of another platform
        found.add(name)
        waiting.extend(_direct(requirements))
    return found


def size_mb(names: Iterable[str]) -> float:
    """Return the size of the installed files of distributions, without bytecode, MB."""
    files = (Path(str(file.locate())) for name in names for file in distribution(name).files or ())
    return sum(file.stat().st_size for file in files if file.suffix != ".pyc" and file.is_file()) / _MB


def import_cost(modules: str) -> tuple[float, int]:
    """Return the CPU time (ms) of importing modules in a new process, and how many modules that loads."""
    script = (
        "import sys, time; loaded = len(sys.modules); start = time.process_time(); "
        f"import {modules}; print(time.process_time() - start, len(sys.modules) - loaded)"
    )
    words = [sys.executable, "-c", script]
    runs = [
        subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(_TIMES)
    ]
    return min(float(seconds) for seconds, _ in runs) * 1000, int(runs[0][1])


def _direct(requirements: Iterable[str]) -> Iterator[str]:
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def _installations() -> Iterator[str]:
    yield "| Installation | Distributions | MB |\n| --- | --- | --- |"
    own = (
        sum(path.stat().st_size for path in SOURCE.rglob("*") if path.is_file() and path.suffix != ".pyc")
        / _MB
    )
    for extra in extras():
        names = needed(installed(extra))
        text = f"otpconv[{extra}]" if extra else "otpconv"
        yield f"| `pip install {text}` | {len(names) + 1} | {size_mb(names) + own:.1f} |"


def _dependencies() -> Iterator[str]:
    yield "| Dependency | Extra | MB | Import, ms | Modules | What for |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for extra, names in extras().items():
        beside = installed(extra)
        for name in names:
            module, purpose = PURPOSES[name]
            alone = needed(beside) - needed(other for other in beside if other != name)
            ms, modules = import_cost(module)
            cells = (name, extra or "none", f"{size_mb(alone):.1f}", f"{ms:.0f}", str(modules), purpose)
            yield f"| {' | '.join(cells)} |"


def _entries() -> Iterator[str]:
    yield "| Start | Import, ms | Modules |\n| --- | --- | --- |"
    for what, modules in ENTRIES.items():
        ms, count = import_cost(modules)
        yield f"| {what} | {ms:.0f} | {count} |"


def _packages() -> Iterator[str]:
    yield "| Package | Files | Lines |\n| --- | --- | --- |"
    files: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for path in sorted(SOURCE.rglob("*.py")):
        package = re.sub(r"^[^/]*$", "", path.relative_to(SOURCE).as_posix()).partition("/")[0] or "otpconv"
        files[package] += 1
        lines[package] += len(path.read_text(encoding="utf-8").splitlines())
    for package, count in lines.most_common():
        yield f"| {package} | {files[package]} | {count:,} |"


if __name__ == "__main__":
    for part in (_installations(), _entries(), _dependencies(), _packages()):
        for line in part:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        sys.stdout.write("\n")

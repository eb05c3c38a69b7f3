"""`otpconv doctor`."""

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from otpconv import __version__
from otpconv.cli.check_results import print_results
from otpconv.cli.options import Data, Json
from otpconv.errors import OtpconvError
from otpconv.storage.check_result import CheckResult

if TYPE_CHECKING:
    from otpconv.config import Settings

#: With less free space than this, bytes, the reports of a day may not fit.
_LOW_BYTES = 1_000_000_000
#: Any right for others, and the right to write for the group.
_FOREIGN_RIGHTS, _FOREIGN_WRITING = 0o077, 0o022


def doctor(
    data: Data = None,
    json: Json = False,
) -> None:
    """Check a data folder, and print each problem with its remedy.

    Checks permissions, keys, free space and the clock; that no file is damaged; that every row of the journal
    can be decoded and matches its checksum; that the ledger contains the whole journal; that the rollups
    equal a recount of the messages; and that the detectors of alerts are not late. Changes nothing, and works
    while a server runs. Exits with 1 if there are problems.

    Examples:
        otpconv doctor --data /var/lib/otpconv

        otpconv doctor --data /var/lib/otpconv --json
    """
    # The server's libraries are not there in a client's installation.
    from otpconv.config import load

    print_results(_findings(load(data=data)), json=json)


def _findings(settings: "Settings") -> Iterator[CheckResult]:
    from otpconv.service.upkeep import inspect_storage

    yield CheckResult("otpconv", ok=True, text=__version__)
    yield CheckResult("python", ok=True, text=platform.python_version())
    if not settings.data.is_dir():
        advice = "give the server's folder by --data DIR, or make one: otpconv serve"
        yield CheckResult("folder", ok=False, text=f"there is no folder {settings.data}", advice=advice)
        return
    yield _folder(settings.data)
    yield _free_space(settings.data)
    yield _keys(settings)
    yield from inspect_storage(settings)


def _folder(data: Path) -> CheckResult:
    mode = data.stat().st_mode
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        advice = f"run this as the server's user, or give it the folder: chown {data}"
        return CheckResult(
            "folder", ok=False, text=f"{data} can't be read and written by this user", advice=advice
        )
    if mode & _FOREIGN_WRITING:
        text = f"{data} can be written by others"
        return CheckResult("folder", ok=False, text=text, advice=f"chmod go-w {data}")
    for file in sorted(data.iterdir()):
        if file.name != "lock" and file.stat().st_mode & _FOREIGN_RIGHTS:
            text = f"{file} is open to others"
            return CheckResult("folder", ok=False, text=text, advice=f"chmod go= {file}")
    return CheckResult("folder", ok=True, text=f"{data} is ours alone")


def _free_space(data: Path) -> CheckResult:
    free = shutil.disk_usage(data).free
    files = sum(file.stat().st_size for file in data.iterdir() if file.is_file())
    text = f"{free / 1e9:,.1f} GB free, {files / 1e9:,.1f} GB in use here"
    advice = "" if free >= _LOW_BYTES else "free some space: without any, no report is accepted"
    return CheckResult("disk", ok=not advice, text=text, advice=advice)


def _keys(settings: "Settings") -> CheckResult:
    from otpconv.service.opening import open_key_store

    data = settings.data
    # Opening creates missing files; this check must only look.
    needed = [] if settings.ledger else ["access.sqlite"]
    needed += [] if settings.sealing_key else ["sealing.key"]
    missing = next((name for name in needed if not (data / name).is_file()), None)
    if missing is not None:
        advice = f"restore {missing} and the access keys from one backup"
        return CheckResult("access keys", ok=False, text=f"{data / missing} is missing", advice=advice)
    try:
        store = open_key_store(settings)
        keys = store.list()
        store.close()
    except OtpconvError as error:
        advice = "restore sealing.key and the access keys from one backup"
        return CheckResult("access keys", ok=False, text=error.text, advice=advice)
    active = sum(key.active for key in keys)
    advice = "" if active else f"otpconv keys create NAME --data {data}"
    return CheckResult("access keys", ok=bool(active), text=f"{len(keys)}, {active} active", advice=advice)

"""Run a command with the rights of a deployed server: `python confine.py JSON command …`, as root.

The JSON object names what the command may do. `writable` lists the folders that it may write to; everything
else is read-only. `calls` lists the system calls that it may make, and any other one fails with EPERM; null
allows all. With `own_processes_only`, /proc shows nothing but processes. The command has no capability, and
can't gain any.
"""

import ctypes
import json
import os
import shutil
import subprocess
import sys

_ALLOW, _EPERM = 0x7FFF0000, 0x00050001


def main() -> None:
    """Give up every right but those in the first argument, then become the command."""
    rights, command = json.loads(sys.argv[1]), sys.argv[2:]
    if "OTPCONV_TESTS_CONFINED" not in os.environ:  # noqa: TID251
        _mount(rights["writable"], own_processes_only=rights["own_processes_only"])
        setpriv = shutil.which("setpriv")
        assert setpriv
        os.environ["OTPCONV_TESTS_CONFINED"] = "1"  # noqa: TID251
        words = [setpriv, "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        os.execv(setpriv, [*words, sys.executable, *sys.argv])  # noqa: S606
    del os.environ["OTPCONV_TESTS_CONFINED"]  # noqa: TID251
    if rights["calls"] is not None:
        _filter(rights["calls"])
    os.execv(command[0], command)  # noqa: S606


def _mount(writable: list[str], *, own_processes_only: bool) -> None:
    """Change the mounts of this process, which has a mount namespace of its own."""
    for folder in writable:
        _run("mount", "--bind", folder, folder)
    _run("mount", "-o", "remount,bind,ro", "/")
    if own_processes_only:
        _run("mount", "-t", "proc", "-o", "subset=pid,hidepid=invisible", "proc", "/proc")


def _run(*command: str) -> None:
    subprocess.run(command, check=True)  # noqa: S603


def _filter(calls: list[str]) -> None:
    """Load a filter of system calls like that of systemd."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_EPERM)))
    for name in calls:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # the others belong to other architectures
            assert library.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, 0) == 0, name
    assert library.seccomp_load(context) == 0


if __name__ == "__main__":
    main()

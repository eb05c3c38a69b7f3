"""Constants of a server's process with smaller values: a test waits for a second, and not for half a minute.

In `make campaign` they keep their real values.
"""

from pathlib import Path
from pkgutil import resolve_name

from campaigns import LONG_FORM


def smaller(real: float, in_short: float) -> float:
    """Return the value that a constant has in a test: the real one in `make campaign`."""
    return real if LONG_FORM else in_short


def with_constants(folder: Path, values: dict[str, float]) -> dict[str, str]:
    """Return settings of a server in which constants have other values.

    Args:
        folder: gets the module that sets them; Python imports it before the server.
        values: by the constant's full name, e.g. `otpconv.service.readiness.STUCK_S`.

    Raises:
        AttributeError: there is no such constant.
    """
    lines = ["from pkgutil import resolve_name"]
    for name, value in values.items():
        resolve_name(name)
        owner, _, constant = name.rpartition(".")
        lines.append(f"setattr(resolve_name({owner!r}), {constant!r}, {value!r})")
    (folder / "sitecustomize.py").write_text("\n".join(lines) + "\n")
    return {"PYTHONPATH": str(folder)}

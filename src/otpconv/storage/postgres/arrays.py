"""Arrays as text: psycopg looks for the type of each element, which takes ten times as long."""

from typing import Any

from psycopg.adapt import Dumper


class ArrayDumper(Dumper):
    """Passes a list as the text of an array. A statement says of which type, by a `CAST`."""

    # typing.override is not in Python 3.11.
    def dump(self, obj: list[Any]) -> bytes:  # type: ignore[explicit-override]
        """Return the text of a list without NULL, whose elements are all `str`, `bytes`, `int` or `bool`."""
        if obj and isinstance(obj[0], str):
            escaped = [each.replace("\\", "\\\\").replace('"', '\\"') for each in obj]
            return ('{"' + '","'.join(escaped) + '"}').encode()
        if obj and isinstance(obj[0], bytes):
            return ('{"' + '","'.join(["\\\\x" + each.hex() for each in obj]) + '"}').encode()
        return ("{" + ",".join(map(str, obj)) + "}").encode()

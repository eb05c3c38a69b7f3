"""The colours of charts, which are those of the pages."""

from typing import Final

from msgspec import Struct


class Colours(Struct, frozen=True):
    """The colours of a chart."""

    ink: str
    line: str
    rate: str
    before: str
    requested: str


LIGHT: Final = Colours(ink="#57615d", line="#e6eae8", rate="#0f6f67", before="#86918c", requested="#cfd8d4")
DARK: Final = Colours(ink="#a2ada8", line="#2b3230", rate="#62cbbd", before="#77837e", requested="#3a4441")

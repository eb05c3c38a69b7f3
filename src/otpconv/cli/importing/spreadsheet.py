"""What spreadsheets and number columns do to identifiers: repaired where that is certain, else refused."""

import re

from otpconv.csv_cells import unescaped
from otpconv.errors import InvalidRequest

UNPOINTED = "a .0 after a whole number was removed"
EXPANDED = "scientific notation that has all digits was written out"
LONG_ID = "message_id has more than 15 digits"
ROUNDED = "message_id has zeros from its 16th digit on"

#: Notes of values that are not as they stand in the file.
REPAIRS = (UNPOINTED, EXPANDED)

#: Whole numbers below this are exact in floating point.
_EXACT_BELOW = 2**53
#: Significant digits that a spreadsheet keeps.
_KEPT_DIGITS = 15

_FORMULA = re.compile(r'="(.*)"', re.DOTALL)
_POINTED = re.compile(r"(\+?[0-9]{5,})(?:\.0+|,00?)")
# Hexadecimal ids like 12E45 are whole: a spreadsheet writes a sign, and others a point.
_SCIENTIFIC = re.compile(r"(\+?[0-9])(?:[.,]([0-9]+)[eE]\+?|[eE]\+)([0-9]{1,3})")
_THOUSANDS = re.compile(
    r"\+?[0-9]{1,3}(?:(?:,[0-9]{3})+|(?:\.[0-9]{3}){2,}|(?:['\u2019\u202f\u00a0 ][0-9]{3}){2,})"
)
_NUMBER_WITH_COMMAS = re.compile(r"\+?[0-9]{1,3}(?:,[0-9]{3})+")
#: What every one of the forms above and below has.
_SUSPECT = re.compile(r"[.,#' \u2019\u202f\u00a0]|[eE]\+")
_ERROR_VALUE = re.compile(r"#{4,}|#(?:REF!|NAME\?|VALUE!|NUM!|DIV/0!|NULL!|SPILL!|CALC!)")
_EXPORT_AS_TEXT = "Format the column as text before you open or save the file, or use the vendor's own file."


def cell(text: str) -> str:
    """Return what a cell of CSV holds: without the apostrophe or `="…"` that makes it a text."""
    found = _FORMULA.fullmatch(text)
    return unescaped(text) if found is None else found[1].replace('""', '"')


def identifier(text: str, name: str, notes: list[str]) -> str:
    """Return a message id, a session id or a phone number as it was before a program took it for a number.

    Args:
        text: the value, without surrounding blanks.
        name: our name of the column.
        notes: gets the repairs that were made.

    Raises:
        InvalidRequest: digits are lost, or the original value is ambiguous.
    """
    if len(text) > _KEPT_DIGITS and text.isdecimal():
        notes.append(LONG_ID)
        if not text[_KEPT_DIGITS:].strip("0"):
            notes.append(ROUNDED)
    if _SUSPECT.search(text) is None:
        return text
    if (pointed := _POINTED.fullmatch(text)) is not None:
        notes.append(UNPOINTED)
        return _exact(pointed[1], name)
    if (scientific := _SCIENTIFIC.fullmatch(text)) is not None:
        first, digits, power = scientific[1], scientific[2] or "", int(scientific[3])
        if len(digits) < power or digits[power:].strip("0"):
            raise _refusal(name, "is in scientific notation like 4.91511E+12, so digits are lost")
        notes.append(EXPANDED)
        return _exact(first + digits[:power], name)
    if _ERROR_VALUE.fullmatch(text) is not None:
        raise _refusal(name, "is an error of a spreadsheet like #REF! or ####")
    if (_NUMBER_WITH_COMMAS if name == "to" else _THOUSANDS).fullmatch(text) is not None:
        raise _refusal(name, "has thousands separators")
    return text


def identifier_of(value: float, name: str, notes: list[str]) -> str:
    """Return the identifier that JSON has as a number with a point.

    Raises:
        InvalidRequest: it is not whole, or too large to be exact.
    """
    if not value.is_integer():
        raise InvalidRequest(f"{name} is a number with decimals. Write it as a text.")
    notes.append(UNPOINTED)
    return _exact(str(int(value)), name)


def _exact(digits: str, name: str) -> str:
    if int(digits) >= _EXACT_BELOW:
        raise _refusal(name, "went through floating point, which keeps about 15 digits of a number")
    return digits


def _refusal(name: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"{name} {what}. {_EXPORT_AS_TEXT}")

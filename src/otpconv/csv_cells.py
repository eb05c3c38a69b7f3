"""Texts in cells of CSV files, which spreadsheets take for formulas when they begin like one.

`=HYPERLINK(…)` as the name of a template would run in the spreadsheet of whoever opens the file. An
apostrophe before it makes it a text in all of them, and `otpconv import` takes it off again. It also takes
off the one that others write before numbers, so a text like `'24h` gets another.
"""

#: What a formula begins with, also in the full-width forms that Japanese and Chinese spreadsheets take.
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - they are meant
_MARK = "'"
_ESCAPED = _FORMULA | {_MARK} | frozenset("0123456789")


def escaped(text: str) -> str:
    """Return a text as a cell that no spreadsheet takes for a formula; numbers are not for this."""
    return _MARK + text if text[:1] in _FORMULA or _is_marked(text) else text


def unescaped(cell: str) -> str:
    """Return the text of a cell that `escaped` made."""
    return cell[1:] if _is_marked(cell) else cell


def _is_marked(text: str) -> bool:
    return text[:1] == _MARK and text[1:2] in _ESCAPED

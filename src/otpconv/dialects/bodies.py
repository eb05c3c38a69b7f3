"""Reads the parameters of a request: a form, or JSON."""

from collections.abc import Mapping
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from otpconv.dialects.native.fields import in_words
from otpconv.errors import BodyTooLarge, InvalidRequest

#: Bytes of a JSON body at most: `MAX_REPORTS` reports with some 600 bytes each.
MAX_BYTES: Final = 64 * 1024
#: Bytes of a query or a form at most: it is decoded before it is known who calls.
MAX_FORM_BYTES: Final = 16 * 1024
#: Parameters of a form at most.
MAX_FIELDS: Final = 50

_T = TypeVar("_T")


def from_form(*parts: bytes) -> dict[str, str]:
    """Return the parameters of queries and form bodies, decoded; blank values are kept.

    Raises:
        InvalidRequest: a part is not UTF-8, a name is given twice, or there are more than `MAX_FIELDS`.
        BodyTooLarge: a part has more than `MAX_FORM_BYTES`.
    """
    parameters: dict[str, str] = {}
    for part in parts:
        _limit(part, MAX_FORM_BYTES)
        try:
            pairs = parse_qsl(
                part.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"
            )
        except ValueError:  # not UTF-8, or too many
            raise InvalidRequest(
                f"The parameters must be at most {MAX_FIELDS}, in UTF-8 and percent-encoded."
            ) from None
        for name, value in pairs:
            if name in parameters:
                raise InvalidRequest(f"The parameter {name[:40]!r} is given twice. Send it once.")
            parameters[name] = value
    return parameters


def first_of_form(body: bytes) -> dict[str, str]:
    """Return the first value of each parameter of a form that is passed on as it is.

    Raises:
        BodyTooLarge: the form has more than `MAX_BYTES`.
        InvalidRequest: it has more than `MAX_FIELDS` parameters.
    """
    _limit(body, MAX_BYTES)
    try:
        pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise InvalidRequest(f"The form has too many parameters. Send at most {MAX_FIELDS}.") from None
    return dict(reversed(pairs))


def from_json(decoder: msgspec.json.Decoder[_T], body: bytes, most: int = MAX_BYTES) -> _T:
    """Return the value of a JSON body.

    Raises:
        InvalidRequest: the body is not JSON, or has another type.
        BodyTooLarge: it has more than `most` bytes.
    """
    _limit(body, most)
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The body is malformed: {in_words(error)}.") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None


def required(parameters: Mapping[str, str], name: str) -> str:
    """Return the value of a parameter.

    Raises:
        InvalidRequest: it is missing or empty.
    """
    value = parameters.get(name, "")
    if not value:
        raise InvalidRequest(f"{name} is missing. Send it.")
    return value


def _limit(raw: bytes, most: int) -> None:
    if len(raw) > most:
        raise BodyTooLarge(f"The parameters have {len(raw)} bytes. Send at most {most}.")

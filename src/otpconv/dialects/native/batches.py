"""Reads the body of a call of the native API; a malformed item does not affect the other items."""

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from otpconv.dialects.native.answers import Rejected
from otpconv.dialects.native.fields import in_words
from otpconv.dialects.native.reports import (
    JSON,
    MAX_ITEMS,
    NDJSON,
    ConversionIn,
    Conversions,
    MessageIn,
    Messages,
)
from otpconv.errors import InvalidRequest, OtpconvError, UnsupportedMediaType

#: Bytes of one item at most: all its texts with their maximum length, each character escaped.
MAX_ITEM_BYTES = 16 * 1024
#: Commas of a JSON body at most, counted before it is decoded: 20 per item. Each value needs at least one.
MAX_COMMAS = 20 * MAX_ITEMS
#: Lines of an NDJSON body at most, empty ones included.
MAX_LINES = 2 * MAX_ITEMS
#: A body up to this size is decoded at once, in about 3 ms. A larger body is decoded item by item.
AT_ONCE_BYTES = 64 * 1024
#: Characters of the text about one rejected item at most.
MAX_REASON_CHARS = 200

_Item = TypeVar("_Item", MessageIn, ConversionIn)


class BatchReader(Generic[_Item]):
    """Reads the bodies of one path: JSON, or one object per line.

    Args:
        name: the name of the list in a JSON body.
        envelope: the type of a whole JSON body.
        item: the type of one item.
    """

    def __init__(self, name: str, envelope: type[Messages] | type[Conversions], item: type[_Item]) -> None:
        self._name = name
        self._envelope = msgspec.json.Decoder(envelope)
        self._item: msgspec.json.Decoder[_Item] = msgspec.json.Decoder(item)
        loose = msgspec.defstruct("Loose", [(name, list[msgspec.Raw])], forbid_unknown_fields=True)
        self._loose = msgspec.json.Decoder(loose)

    def read(self, body: bytes, media_type: str) -> Iterator[_Item | Rejected]:
        """Return the items of a body in their order; a malformed item is returned as its rejection.

        The items of a large body are decoded when they are iterated over, so that the caller can pause.
        Record none before the end: the last item may show that the body is not JSON.

        Args:
            body: the body.
            media_type: the request's Content-Type.

        Raises:
            InvalidRequest: the body as a whole is malformed, or has no items or more than 10,000.
            UnsupportedMediaType: the body has another media type.
        """
        kind = media_type.partition(";")[0].strip().lower()
        if kind not in {JSON, NDJSON}:
            raise UnsupportedMediaType(f"Send Content-Type: {JSON} or {NDJSON}.")
        lines = kind == NDJSON
        try:
            if len(body) <= AT_ONCE_BYTES:
                items = self._at_once(body, lines=lines)
                if items is not None:
                    self._check_count(len(items))
                    return iter(items)
            raws = _lines(body) if lines else self._raws(body)
        except RecursionError:
            raise InvalidRequest(
                "The body is nested too deeply. Send a list of objects without objects in them."
            ) from None
        self._check_count(len(raws))
        return (self._read_one(index, raw) for index, raw in enumerate(raws))

    def _at_once(self, body: bytes, *, lines: bool) -> list[_Item | Rejected] | None:
        """Return all items of a small body; None if one is malformed."""
        try:
            if lines:
                return list(self._item.decode_lines(body))
            whole: Any = self._envelope.decode(body)
            items: list[_Item | Rejected] = getattr(whole, self._name)
            return items  # noqa: TRY300 - the common case
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None  # then item by item, to find which

    def _raws(self, body: bytes) -> Sequence[msgspec.Raw]:
        """Return the items of a JSON body, not decoded yet."""
        if body.count(b",") > MAX_COMMAS:
            raise InvalidRequest(f"The body has over {MAX_COMMAS:,} values; send it in several calls.")
        try:
            raws: list[msgspec.Raw] = getattr(self._loose.decode(body), self._name)
        except msgspec.ValidationError:
            raise InvalidRequest(
                f'The body must be {{"{self._name}": [...]}}, a list of objects, and nothing else.'
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _not_json(error) from None
        return raws

    def _check_count(self, count: int) -> None:
        if not 1 <= count <= MAX_ITEMS:
            raise InvalidRequest(f"A call takes 1 to {MAX_ITEMS:,} {self._name}; this one has {count:,}.")

    def _read_one(self, index: int, raw: msgspec.Raw | bytes) -> _Item | Rejected:
        if memoryview(raw).nbytes > MAX_ITEM_BYTES:
            return rejected(index, InvalidRequest(f"The item has over {MAX_ITEM_BYTES // 1024} KiB."))
        try:
            item: _Item = self._item.decode(raw)
            return item  # noqa: TRY300
        except UnicodeDecodeError as error:
            if isinstance(raw, msgspec.Raw):  # where one text is not UTF-8, the JSON it is in is not JSON
                raise _not_json(error) from None
            return rejected(index, InvalidRequest(in_words(error)))
        except msgspec.MsgspecError as error:
            return rejected(index, InvalidRequest(in_words(error)))
        except RecursionError:
            return rejected(index, InvalidRequest("The item is nested too deeply. Send a flat object."))


def rejected(index: int, error: OtpconvError) -> Rejected:
    """Return the rejection of the item at `index`."""
    return Rejected(index, error.code, error.text[:MAX_REASON_CHARS])


def _not_json(error: Exception) -> InvalidRequest:
    return InvalidRequest(f"The body is not JSON: {error}")


def _lines(body: bytes) -> list[bytes]:
    """Return the lines of an NDJSON body, without the empty ones."""
    if body.count(b"\n") > MAX_LINES:
        raise InvalidRequest(f"The body has over {MAX_LINES:,} lines; send it in several calls.")
    return [line for line in body.split(b"\n") if line and not line.isspace()]

"""Reading batches of the native API: one bad item never harms its neighbours."""

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET

from otpconv.access.keys import AccessKey
from otpconv.dialects.native.fields import in_words
from otpconv.errors import InvalidNumber, InvalidRequest, OtpconvError, UnsupportedMediaType
from otpconv.model import Conversion, Dimensions, Requested, Timing
from otpconv.phone import NumberHash, parse
from otpconv.web.v1.native_types import ConversionIn, Conversions, Ignored, MessageIn, Messages, Rejected

#: Items of one call.
MAX_ITEMS = 10_000
#: Bytes of one item: all its texts at their longest, with every character escaped.
MAX_ITEM_BYTES = 16 * 1024
#: Commas of a JSON body, counted before decoding: 20 per item. Each value needs at least one.
MAX_COMMAS = 20 * MAX_ITEMS
#: Lines of an NDJSON body, including empty ones.
MAX_LINES = 2 * MAX_ITEMS
#: A body up to this size is decoded at once, in about 3 ms; a larger one item by item.
AT_ONCE_BYTES = 64 * 1024
#: Characters that an answer says about one rejected item.
MAX_TEXT_CHARS = 200

_Item = TypeVar("_Item", MessageIn, ConversionIn)


class BatchReader(Generic[_Item]):
    """Reads the bodies of one path, as JSON or as one object a line."""

    def __init__(self, name: str, envelope: type[Messages] | type[Conversions], item: type[_Item]) -> None:
        """Take the name of the list, the type of the whole body and the type of one item."""
        self._name = name
        self._envelope = msgspec.json.Decoder(envelope)
        self._item: msgspec.json.Decoder[_Item] = msgspec.json.Decoder(item)
        loose = msgspec.defstruct("Loose", [(name, list[msgspec.Raw])], forbid_unknown_fields=True)
        self._loose = msgspec.json.Decoder(loose)

    def read(self, body: bytes, media_type: str) -> Iterator[_Item | Rejected]:
        """Give the items of a body, in their order; a malformed one as its rejection.

        Of a large body each item is decoded when it is taken, so that whoever takes them can pause. Record
        none before all are taken: the last one may still be what makes the body no JSON.

        Args:
            body: the body.
            media_type: the request's Content-Type.

        Raises:
            InvalidRequest: the body as a whole is malformed, or has no item, or over 10,000.
            UnsupportedMediaType: the body is neither of the two kinds.
        """
        kind = media_type.partition(";")[0].strip().lower()
        if kind not in {"application/json", "application/x-ndjson"}:
            raise UnsupportedMediaType("Send Content-Type: application/json or application/x-ndjson.")
        lines = kind == "application/x-ndjson"
        try:
            if len(body) <= AT_ONCE_BYTES:
                items = self._at_once(body, lines=lines)
                if items is not None:
                    self._check_count(len(items))
                    return iter(items)
            raws = _lines(body) if lines else self._raws(body)
        except RecursionError:
            raise InvalidRequest("The body is nested too deeply.") from None
        self._check_count(len(raws))
        return (self._read_one(index, raw) for index, raw in enumerate(raws))

    def _at_once(self, body: bytes, *, lines: bool) -> list[_Item | Rejected] | None:
        """Return all items of a small body; None when one is malformed."""
        try:
            if lines:
                return list(self._item.decode_lines(body))
            whole: Any = self._envelope.decode(body)
            items: list[_Item | Rejected] = getattr(whole, self._name)
            return items  # noqa: TRY300 - all well is the common case
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None  # item by item, to find which

    def _raws(self, body: bytes) -> Sequence[msgspec.Raw]:
        """Return the items of a JSON body, not decoded yet."""
        if body.count(b",") > MAX_COMMAS:
            raise InvalidRequest(f"The body has over {MAX_COMMAS:,} values; send it in several calls.")
        try:
            raws: list[msgspec.Raw] = getattr(self._loose.decode(body), self._name)
        except msgspec.ValidationError:
            raise InvalidRequest(
                f'The body is {{"{self._name}": [...]}}, a list of objects, and nothing else.'
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
            return rejected(index, InvalidRequest("The item is nested too deeply."))


def requested(
    item: MessageIn, key: AccessKey, now: int, number_hash: NumberHash, region: str = ""
) -> Requested:
    """Return the report of one message, made with an access key; national numbers are those of `region`.

    Raises:
        InvalidNumber: `to` is not a phone number; see `without_number`.
    """
    country, carrier, number, number_range = item.country, item.carrier, "", ""
    if item.to is not None:
        phone = parse(item.to, region)
        country = phone.country if country is None else country
        carrier = phone.carrier if carrier is None else carrier
        number, number_range = number_hash(key.account, phone.e164), phone.number_range
    return Requested(
        key.account,
        item.message_id,
        now if item.requested_at is None else item.requested_at,
        Dimensions(
            (country or "").upper(),
            carrier or "",
            item.provider,
            item.template,
            item.sender,
            item.channel,
            key.dimension,
        ),
        number,
        number_range,
        item.session_id,
        item.attempt or 0,
    )


def conversion(
    item: ConversionIn, key: AccessKey, now: int, number_hash: NumberHash, region: str = ""
) -> Conversion:
    """Return the report of one conversion, made with an access key; national numbers are those of `region`.

    Raises:
        InvalidNumber: `to` is not a phone number; see `without_number`.
        InvalidRequest: neither `message_id` nor `to` is there.
    """
    number = ""
    if item.to is not None:
        number = number_hash(key.account, parse(item.to, region).e164)
    elif item.message_id is None:
        raise InvalidRequest("A conversion needs message_id, or to.")
    time = item.conversion_time
    if item.message_id is None:
        if time is None:
            raise InvalidRequest(
                "A conversion known only by to needs a conversion_time: the message is found by it. Give the"
                " message_id, or leave conversion_time out if it is now."
            )
        # By its time the message was found, so it is no guess.
        return Conversion(key.account, item.delivered, now if time is UNSET else time, "", number)
    timing = Timing.ARRIVAL if time is UNSET else Timing.UNKNOWN if time is None else Timing.GIVEN
    at = now if time is UNSET or time is None else time
    return Conversion(key.account, item.delivered, at, item.message_id, number, timing)


def without_number(index: int, item: MessageIn | ConversionIn, error: InvalidNumber) -> Ignored:
    """Remove the number from the item at `index`, so that a message that was paid for counts without it.

    Raises:
        InvalidNumber: a conversion is known by its number alone.
    """
    if item.message_id is None:
        raise error
    item.to = None
    return Ignored(index, "to", error.code, error.text[:MAX_TEXT_CHARS])


def rejected(index: int, error: OtpconvError) -> Rejected:
    """Return the rejection of the item at `index`."""
    return Rejected(index, error.code, error.text[:MAX_TEXT_CHARS])


def _not_json(error: Exception) -> InvalidRequest:
    return InvalidRequest(f"The body is not JSON: {error}")


def _lines(body: bytes) -> list[bytes]:
    """Return the lines of an NDJSON body, without the empty ones."""
    if body.count(b"\n") > MAX_LINES:
        raise InvalidRequest(f"The body has over {MAX_LINES:,} lines; send it in several calls.")
    return [line for line in body.split(b"\n") if line and not line.isspace()]

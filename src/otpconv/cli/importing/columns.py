"""The columns of imports and exports, and which column of a vendor's file is which."""

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from otpconv.errors import Misconfigured

COLUMNS = (
    "message_id",
    "requested_at",
    "to",
    "country",
    "carrier",
    "provider",
    "template",
    "sender",
    "channel",
    "session_id",
    "attempt",
    "vendor_message_id",
    "price",
    "currency",
    "delivered",
    "conversion_time",
)
IDENTITY = ("message_id", "to")
OF_CONVERSION = ("delivered", "conversion_time")
OF_MESSAGE = tuple(name for name in COLUMNS if name not in (*IDENTITY, *OF_CONVERSION))

#: What vendors call our columns, as `_simplified` gives it. Only what can't mean anything else is here: a
#: vendor's `delivered` is a delivery receipt, its network is not named as ours, and `from` may be a user.
_ALIASES = {
    "message_id": (
        "messageid msgid messageuuid messagesid smsid smssid sid bizid serialno umid"
        " 回执id 短信回执id 发送回执id 消息id 短信id"
    ),
    "requested_at": (
        "requestedat sent sentat sentdate senttime sentdatetime datesent sendat sendtime senddate"
        " senddatetime publishtime messagetime 发送时间"
    ),
    "to": (
        "to recipient recipientnumber tonumber destinationphonenumber destinationnumber phone phonenumber"
        " phonenum mobilenumber msisdn 接收号码 手机号码 手机号 接收手机号 接收手机号码"
    ),
    "country": "country isocountrycode",
    "carrier": "carrier",
    "provider": "provider",
    "template": "template templatecode templateid 模板code 模版code 模板id",
    "sender": "sender senderid signname 短信签名 签名名称 签名",
    "channel": "channel",
    "session_id": "sessionid",
    "attempt": "attempt",
    "vendor_message_id": "vendormessageid",
    "price": "price",
    "currency": "currency",
    "delivered": "verified converted",
    "conversion_time": "conversiontime verifiedat convertedat",
}
_FIELD_OF = {alias: name for name, aliases in _ALIASES.items() for alias in aliases.split()}
_SHOWN = 20


class Columns(Struct):
    """What the columns of one row, or of a whole CSV file, are.

    Attributes:
        fields: our fields and their columns.
        ignored: the columns that are not used.
        direction: the column that tells inbound messages from outbound ones.
    """

    fields: list[tuple[str, str]]
    ignored: list[str]
    direction: str | None


def choose(columns: Sequence[str], renamed: Mapping[str, str]) -> dict[str, str]:
    """Return the column of each of our fields that has one: as `--map` says, by our name, or by a vendor's.

    Args:
        columns: the names in a file.
        renamed: the columns that `--map` names, by field.

    Raises:
        Misconfigured: two columns could be message_id, requested_at or to.
    """
    chosen = {name: column for name, column in renamed.items() if column in columns}
    taken = {*renamed.values()}
    chosen |= {name: name for name in COLUMNS if name in columns and name not in {*renamed, *taken}}
    alike: dict[str, list[str]] = {}
    for column in columns:
        field = _FIELD_OF.get(_simplified(column))
        if field is not None and field not in {*chosen, *renamed} and column not in taken:
            alike.setdefault(field, []).append(column)
    for field, candidates in alike.items():
        if len(candidates) == 1:
            chosen[field] = candidates[0]
        elif field in {*IDENTITY, "requested_at"}:
            raise Misconfigured(
                f"the columns {listed(candidates)} could all be {field}: choose one, e.g."
                f" --map '{field}={candidates[0]}'"
            )
    return {name: chosen[name] for name in COLUMNS if name in chosen}


def count_known(columns: Sequence[str], renamed: Mapping[str, str]) -> int:
    """Return how many of our fields a row of names has; 0 when none tells which message a row is about."""
    fields = {_FIELD_OF.get(_simplified(column), column) for column in columns}
    fields |= {name for name, column in renamed.items() if column in columns}
    fields &= {*COLUMNS}
    return len(fields) if fields & {*IDENTITY} else 0


def find_direction(columns: Iterable[str]) -> str | None:
    """Return the column that tells inbound messages from outbound ones, if there is one."""
    return next((column for column in columns if _simplified(column) in {"direction", "方向"}), None)


def says_utc(column: str) -> bool:
    """Return whether a column's name says that its times are UTC, like `PublishTimeUTC`."""
    return bool(re.search(r"(?:UTC|GMT)\W*$", column, re.IGNORECASE))


def listed(names: Iterable[str]) -> str:
    """Return the first 20 names for a sentence."""
    names = list(names)
    shown = ", ".join(name[:40] for name in names[:_SHOWN])
    return f"{shown}, …" if len(names) > _SHOWN else shown


def _simplified(name: str) -> str:
    """Return a name without case, blanks, marks and a final UTC, e.g. `datesent` of `Date Sent (UTC)`."""
    simple = re.sub(r"[\W_]+", "", name).casefold()
    return re.sub(r"(?<=.)(?:utc|gmt)$", "", simple)

"""Messages that Alibaba Cloud's SDKs send, passed on to the vendor: signed again, with all their parameters.

Source: the API references of the operations, and the official SDKs for requests. The documentation does not
say in which order the ids of a batch are, so its messages have no number here.
"""

from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.connection import Response
from otpconv.delivery.credentials import Credentials
from otpconv.delivery.sms_conversion import signed_headers
from otpconv.dialects import alibaba
from otpconv.dialects.alibaba import GatewayError
from otpconv.dialects.dialect import HttpRequest
from otpconv.receipts import ReceiptStatus
from otpconv.relay.answers import text_of
from otpconv.relay.kind import Call, Said, Sending, Sent, Stated

#: Parameters about the caller and the signature, of which the vendor gets ours.
_PROTOCOL: Final = {
    "AccessKeyId",
    "Action",
    "Format",
    "SecurityToken",
    "Signature",
    "SignatureMethod",
    "SignatureNonce",
    "SignatureType",
    "SignatureVersion",
    "Timestamp",
    "Version",
}
_QUERY_MESSAGE: Final = "dysms:QueryMessage"


class _Answer(Struct, rename="pascal"):
    """What answers say: 2018-05-01 in `ResponseCode`, 2017-05-25 and the gateway in `Code`.

    A member of another type than the documented one must not hide that a message was sent.
    """

    response_code: Any = ""
    code: Any = ""
    message_id: Any = ""
    biz_id: Any = ""
    message_id_list: Any = ""
    from_: Any = msgspec.field(default="", name="From")
    status: Any = ""
    error_code: Any = ""
    send_date: Any = ""
    receive_date: Any = ""


_answer = msgspec.json.Decoder(_Answer).decode
_list = msgspec.json.Decoder(list[Any]).decode


def sending_of(version: str) -> Sending:
    """Return how the operations of a version of the API are passed on."""
    actions = {f"dysms:{action}" for each, action in alibaba.PASSED_ON if each == version}
    return Sending(frozenset(actions), frozenset({_QUERY_MESSAGE} & actions), lambda *_: True, _make, _read)


def _make(vendor: VendorAccount, call: alibaba.Call, request: HttpRequest, now: int) -> Call:
    if call.xml:
        raise GatewayError("InvalidParameter.Format", "otpconv passes this operation on in JSON only.")
    parameters = {name: value for name, value in call.parameters.items() if name not in _PROTOCOL}
    # The parameters stay where they are: the vendor has a bound for the length of a query.
    form = urlencode(parameters).encode() if request.body and not call.unread else b""
    query = {} if form else parameters
    key = Credentials(vendor.settings["access_key_id"], vendor.secrets["access_key_secret"])
    host = urlsplit(vendor.settings["endpoint"]).netloc
    headers = signed_headers(host, query, key, now, action=call.action, version=call.version, form=form)
    return Call(f"/?{urlencode(query)}" if query else "/", headers, form)


def _read(answer: Response, call: alibaba.Call) -> Said:
    try:
        said = _answer(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Said("unclear")
    code = text_of(said.response_code) or text_of(said.code)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or not code:
        return Said("unclear")
    if code != "OK" or answer.status >= HTTPStatus.BAD_REQUEST:
        return Said("refused")
    fact = _stated(said, call) if call.permission == _QUERY_MESSAGE else _sent(said, call)
    return Said("accepted", fact)


def _sent(said: _Answer, call: alibaba.Call) -> Sent:
    get = call.parameters.get
    to, template = get("To", ""), get("TemplateCode", "")
    if call.action == "SendSms":
        # One id, also of a message to several numbers.
        numbers = tuple(get("PhoneNumbers", "").split(","))
        return Sent((text_of(said.biz_id),), numbers, "CN", template, get("SignName", ""))
    sender = text_of(said.from_) or get("From", "")
    if call.action == "BatchSendMessageToGlobe":
        return Sent(_listed(said.message_id_list), _listed(to), "", template, sender)
    return Sent((text_of(said.message_id),), (to,), "", template, sender)


def _stated(said: _Answer, call: alibaba.Call) -> Stated | None:
    """Return what became of a message.

    A message that was sent and of which the carrier has given a receipt was delivered.
    """
    message_id = text_of(said.message_id) or call.parameters.get("MessageId", "")
    sent, received = _time(text_of(said.send_date)), _time(text_of(said.receive_date))
    match text_of(said.status):
        case "1" if said.receive_date:
            return Stated(message_id, ReceiptStatus.DELIVERED, received)
        case "1":
            return Stated(message_id, ReceiptStatus.SENT, sent)
        case "2":
            error = text_of(said.error_code)
            return Stated(message_id, ReceiptStatus.FAILED, received or sent, error)
        case "3":
            return Stated(message_id, ReceiptStatus.ACCEPTED, sent)
        case _:
            return None


def _time(date: str) -> int | None:
    """Return a time such as `Mon, 24 Dec 2018 16:58:22 +0800` in ms; None if it is none."""
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000 if moment.tzinfo else None


def _listed(value: object) -> tuple[str, ...]:
    """Return the elements of a list, which may be one in JSON; a text that is none is the only element."""
    if isinstance(value, str):
        try:
            value = _list(value)
        except (msgspec.MsgspecError, RecursionError):
            value = [value]
    return tuple(map(text_of, value)) if isinstance(value, list) else ()

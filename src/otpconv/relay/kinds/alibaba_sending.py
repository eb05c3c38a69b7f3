"""Messages that Alibaba Cloud's SDKs send, passed on to the vendor: signed again, with all their parameters.

Source: the API references of the operations, and the official SDKs for requests. The documentation does not
say in which order the ids of a batch are, so its messages have no number here.
"""

from http import HTTPStatus
from typing import Final
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
from otpconv.relay.kind import Call, Meaning, Sending, Sent

#: Parameters that say who calls and how, and not what is asked; the vendor gets ours.
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
    """What answers say: 2018-05-01 in `ResponseCode`, 2017-05-25 and the gateway in `Code`."""

    response_code: str = ""
    code: str = ""
    message_id: str | int = ""
    biz_id: str | int = ""
    message_id_list: str | list[str | int] = ""
    from_: str | None = msgspec.field(default=None, name="From")


_answer = msgspec.json.Decoder(_Answer).decode
_texts = msgspec.json.Decoder(list[str | int]).decode


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


def _read(answer: Response, call: alibaba.Call) -> tuple[Meaning, Sent | None]:
    try:
        said = _answer(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "unclear", None
    code = said.response_code or said.code
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or not code:
        return "unclear", None
    if code != "OK" or answer.status >= HTTPStatus.BAD_REQUEST:
        return "refused", None
    return "accepted", None if call.permission == _QUERY_MESSAGE else _sent(said, call)


def _sent(said: _Answer, call: alibaba.Call) -> Sent:
    get = call.parameters.get
    to, template = get("To", ""), get("TemplateCode", "")
    if call.action == "SendSms":
        # One id, also of a message to several numbers.
        numbers = tuple(get("PhoneNumbers", "").split(","))
        return Sent((str(said.biz_id),), numbers, "CN", template, get("SignName", ""))
    sender = said.from_ or get("From", "")
    if call.action == "BatchSendMessageToGlobe":
        return Sent(_listed(said.message_id_list), _listed(to), "", template, sender)
    return Sent((str(said.message_id),), (to,), "", template, sender)


def _listed(value: str | list[str | int]) -> tuple[str, ...]:
    """Return the elements of a list, which may be one in JSON; a text that is none is the only element."""
    if isinstance(value, list):
        return tuple(map(str, value))
    try:
        return tuple(map(str, _texts(value)))
    except msgspec.MsgspecError:
        return (value,)

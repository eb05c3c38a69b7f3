"""Messages that Twilio's SDKs send, passed on to Twilio: `POST …/Messages.json`, with the form as it came.

Source: the vendor's API documentation; the official SDKs for requests and answers.
"""

import re
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.connection import Response
from otpconv.dialects.dialect import HttpRequest
from otpconv.dialects.twilio.calls import CREATE_MESSAGE, Call as MessageCall
from otpconv.relay.answers import text_of
from otpconv.relay.kind import Call, Said, Sending, Sent
from otpconv.relay.requests import basic, part

#: Headers of the caller that Twilio gets too.
_HEADERS: Final = ("accept", "accept-charset", "content-type", "user-agent", "x-twilio-client")

#: Characters of a query that stay as they are, besides letters, digits and -._~
_QUERY: Final = "!$%&'()*+,/:;=?@"
#: An account's SID; an SDK may also put the user name there, which is our AccessKeyId.
_SID: Final = re.compile("AC[0-9a-fA-F]{32}")
#: The channel in front of a number, e.g. `whatsapp:+4915112345678`.
_CHANNEL: Final = re.compile(r"([a-z]{1,16}):(.*)")


class _Answer(Struct, rename={"from_": "from"}):
    sid: Any = ""
    code: Any = None
    from_: Any = ""


_answer = msgspec.json.Decoder(_Answer).decode


def account_of(vendor: VendorAccount) -> tuple[str, dict[str, str]]:
    """Return the path of a vendor account, and the headers that prove who calls."""
    sid = vendor.settings["account_sid"]
    user = vendor.settings.get("api_key_sid") or sid
    login = basic(user, vendor.secrets["auth_token"])
    return f"/2010-04-01/Accounts/{part(sid)}", {"authorization": login}


def _fits(vendor: VendorAccount, call: MessageCall) -> bool:
    return not _SID.fullmatch(call.account) or call.account == vendor.settings["account_sid"]


def _make(vendor: VendorAccount, _: MessageCall, request: HttpRequest, _now: int) -> Call:
    path, headers = account_of(vendor)
    for name in _HEADERS:
        if value := request.fields.get(name.encode()):
            headers[name] = value.decode("latin-1")
    # A blank or a control character in it, which our server takes, would not be HTTP.
    query = f"?{quote(request.query, safe=_QUERY)}" if request.query else ""
    return Call(f"{path}/Messages.json{query}", headers, request.body)


def _read(answer: Response, call: MessageCall) -> Said:
    try:
        said = _answer(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Said("unclear")
    if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and said.code is not None:
        return Said("refused")
    sid = text_of(said.sid)
    if not sid or not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return Said("unclear")
    get = call.parameters.get
    channel, to = _divided(get("To", ""))
    _, sender = _divided(text_of(said.from_) or get("From", "") or get("MessagingServiceSid", ""))
    return Said("accepted", Sent((sid,), (to,), "", get("ContentSid", ""), sender, channel))


def _divided(text: str) -> tuple[str, str]:
    """Return the channel and the number of an address."""
    match = _CHANNEL.fullmatch(text)
    return (match[1], match[2]) if match else ("sms", text)


SENDING: Final = Sending(frozenset({CREATE_MESSAGE}), frozenset(), _fits, _make, _read)

"""A vendor's server for messages: checks callers as our dialects do, counts messages, misbehaves on order."""

import base64
import json
import socket
import ssl
import threading
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from typing_extensions import override

from faults.bad_server import Answer, BadServer, Heard, http
from otpconv.dialects.alibaba import Call, read
from otpconv.errors import Refused
from web.front.test_tls import certificate

#: The vendor's credentials, which no caller of otpconv has.
KEY, SECRET = "LTAIvendor", "vendor-Secret"
SID = "AC" + "f" * 32


class Asked(NamedTuple):
    """A request as the vendor understands it."""

    operation: str
    parameters: dict[str, str]

    @property
    def text(self) -> str:
        """The text of the message, by which the tests tell one message from another."""
        known = ("Message", "TemplateParam", "Body", "MessageId")
        return next((self.parameters[name] for name in known if name in self.parameters), "")


class SmsVendor(BadServer):
    """Takes messages as Alibaba and Twilio do.

    Attributes:
        asked: the requests whose credentials are right.
        messages: how often each text came, whatever was answered.
        answers: the exact answer to a text; the others get `taken`.
        faults: what happens instead to a text.
        cut: closes the next connection without reading from it if it returns true.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.messages: Counter[str] = Counter()
        self.answers: dict[str, bytes] = {}
        self.faults: dict[str, Answer] = {}
        self.cut = lambda: False
        self.connections = 0
        self._tls = tls
        self._counting = threading.Lock()
        super().__init__()
        self.answer = answered

    @property
    @override
    def url(self) -> str:
        return super().url if self._tls is None else super().url.replace("http:", "https:")

    def understand(self, heard: Heard) -> Asked | None:
        """Read a request and count it; None if its credentials are wrong."""
        asked = _asked(heard)
        if asked is not None:
            with self._counting:
                self.asked.append(asked)
                self.messages[asked.text] += 1
        return asked

    @override
    def _serve(self, connection: socket.socket) -> None:
        with self._counting:
            self.connections += 1
            cut = self.cut()
        if cut:
            connection.close()
            return
        if self._tls is not None:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:  # the other side does not trust us
                connection.close()
                return
        super()._serve(connection)


def tls_of(folder: Path) -> ssl.SSLContext:
    """A certificate of 127.0.0.1, signed by itself, in the file `vendor.pem` of a folder."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder, "vendor"))
    return context


def answered(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
    """Take a message, or do what the test has ordered for it."""
    assert isinstance(server, SmsVendor)
    asked = server.understand(heard)
    if asked is None:
        connection.sendall(http(403, {"Code": "SignatureDoesNotMatch", "code": 20003}))
        return True
    if fault := server.faults.get(asked.text):
        return fault(server, heard, connection)
    connection.sendall(server.answers.get(asked.text) or http(*taken(asked)))
    return True


def taken(asked: Asked) -> tuple[int, dict[str, Any]]:
    """What the vendor answers to a message that it takes; ids are made of the text."""
    said = {"RequestId": "1", "ResponseCode": "OK", "ResponseDescription": "OK"}
    get = asked.parameters.get
    match asked.operation:
        case "SendSms":
            return 200, {"RequestId": "1", "Code": "OK", "Message": "OK", "BizId": f"biz^{asked.text}"}
        case "BatchSendMessageToGlobe":
            ids = [f"{text}-id" for text in json.loads(get("Message", "[]"))]
            return 200, said | {"MessageIdList": json.dumps(ids), "SuccessCount": str(len(ids))}
        case "QueryMessage":
            return 200, said | {"MessageId": get("MessageId"), "Status": "2", "ErrorCode": "EXPIRED"}
        case "Messages.json":
            sid = "SM" + asked.text.encode().hex().rjust(32, "0")[-32:]
            return 201, {
                "sid": sid,
                "status": "queued",
                "to": get("To"),
                "from": get("From"),
                "error_code": None,
            }
    number = {"Carrier": "CMI", "Country": "Hongkong, China", "Region": "HongKong"}
    return 200, said | {
        "MessageId": f"{asked.text}-id",
        "To": get("To"),
        "NumberDetail": number,
        "Segments": "1",
    }


def _asked(heard: Heard) -> Asked | None:
    url = urlsplit(heard.target)
    fields = {name.lower().encode(): value.encode() for name, value in heard.headers}
    if url.path == "/":
        try:
            call: Call = read(heard.method, url.query.encode(), fields, heard.body)
            call.verify(SECRET)
        except Refused:
            return None
        return Asked(call.action, call.parameters) if call.access_key_id == KEY else None
    login = base64.b64encode(f"{SID}:{SECRET}".encode())
    if (
        fields.get(b"authorization") != b"Basic " + login
        or url.path != f"/2010-04-01/Accounts/{SID}/Messages.json"
    ):
        return None
    return Asked("Messages.json", dict(parse_qsl(heard.body.decode(), keep_blank_values=True)))

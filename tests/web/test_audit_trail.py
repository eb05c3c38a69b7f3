"""Refusals on both front doors in the audit trail of a server, and what must never be in it."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from audited import audited
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.service.opening import open_key_store
from web.wire import administrator, send, v1, v3

WRONG = "wrong-secret"
NUMBER = "4915112345678"
CONVERSION = {"MessageId": "1", "Delivered": "true", "To": NUMBER}


@pytest.fixture
def server(make_server: Callable[..., LocalServer]) -> LocalServer:
    running = make_server(settings={"OTPCONV_LIMIT_FAILED_LOGINS": "4/h"})
    running.start()
    return running


def trail(server: LocalServer) -> list[dict[str, Any]]:
    """The lines but the first, which is of the server's making the first key."""
    lines = audited(server.data)
    assert (lines[0]["who"], lines[0]["what"]) == ("server", "CreateAccessKey")
    return lines[1:]


def test_every_refusal_has_its_line(server: LocalServer) -> None:
    key = administrator(server)
    reply = send(server.url, v3(key, CONVERSION, secret=WRONG))
    signature = json.dumps(reply.json)
    send(server.url, v1(key, CONVERSION | {"AccessKeyId": "LTAInobody"}))
    httpx.get(f"{server.url}/v1/rates", auth=(key.secret, key.access_key_id))  # the wrong way round
    httpx.get(f"{server.url}/v1/messages/{NUMBER}", auth=(NUMBER, WRONG))
    last = httpx.get(f"{server.url}/v1/rates", auth=(key.access_key_id, WRONG))
    found = trail(server)
    assert [(line["who"], line["what"], line["outcome"]) for line in found] == [
        (key.access_key_id, "dysms:SmsConversion", "SignatureDoesNotMatch"),
        ("LTAInobody", "dysms:SmsConversion", "UnknownAccessKey"),
        ("", "otpconv:QueryRates", "BadCredentials"),
        ("", "otpconv:GetMessage", "BadCredentials"),
        (key.access_key_id, "otpconv:QueryRates", "Throttled"),
    ]
    assert {line["from"] for line in found} == {"127.0.0.1"}
    assert found[0]["request_id"] == reply.json["RequestId"]
    assert found[-1]["request_id"] == last.headers["x-request-id"]
    server.stop()
    text = (server.data / "audit.ndjson").read_text() + server.log.read_text()
    for never in (key.secret, WRONG, NUMBER, "signature=", "Signature="):
        assert never not in text
    assert "ACS3" in signature
    assert "ACS3" not in text


def test_a_denied_caller_is_named(make_server: Callable[..., LocalServer]) -> None:
    server = make_server()
    server.start()
    server.stop()
    store = open_key_store(load(data=server.data))
    nobody = store.create("default", "nobody", None)
    store.close()
    server.start()
    auth = (nobody.access_key_id, nobody.secret)
    assert httpx.get(f"{server.url}/v1/rates", auth=auth).status_code == 403
    send(server.url, v3(nobody, CONVERSION))
    native, signed = trail(server)
    for line in (native, signed):
        assert (line["who"], line["user"], line["account"]) == (nobody.access_key_id, "nobody", 1)
        assert line["outcome"] == "AccessDenied"
    assert native["what"] == "otpconv:QueryRates"
    assert signed["what"] == "dysms:SmsConversion"


def test_what_is_taken_leaves_no_line(make_server: Callable[..., LocalServer]) -> None:
    server = make_server()
    server.start()
    send(server.url, v3(administrator(server), CONVERSION))
    assert trail(server) == []

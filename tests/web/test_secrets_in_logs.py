"""One of everything, with the log as talkative as it gets: then no file and no output holds a secret."""

import json
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import httpx
import pytest
from msgspec.structs import replace

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import environment, load
from otpconv.errors import InvalidRequest
from otpconv.service.opening import open_directory, open_key_store
from web.wire import FORM, Request, administrator, send, v1, v3

ASSUME = {"x-acs-action": "AssumeRole", "x-acs-version": "2015-04-01"}
JSON = {"content-type": "application/json"}
WRONG = "wrongSecretWrongSecretWrong123"
#: Each is sent in its own way; the last are not numbers, and refused.
NUMBERS = ("+4915173926481", "+33698471523", "+85251739264", "+14155283947")
INVALID = ("+4915173926481739264817", "0151 73926481 x", "+99973926481")
ALLOW_ALL = '{"Version": "1", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


class Never(NamedTuple):
    """What must be in no file, by what it is."""

    what: str
    text: bytes


class Used(NamedTuple):
    """A server's folder and output after everything was done, and the secrets that were."""

    folder: Path
    outputs: list[Path]
    never: list[Never]
    admin_secret: str


class Told:
    """Sends requests and keeps what they had of secrets."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.never: list[Never] = []

    def secret(self, what: str, text: str) -> None:
        """Remember a secret, as it is and as others would write it."""
        for form in (text.encode(), b64encode(text.encode()).rstrip(b"="), text.encode().hex().encode()):
            self.never.append(Never(what, form))

    def send(self, request: Request) -> dict[str, object]:
        """Send a signed request, whose signature is a secret too."""
        if signed := request.headers.get("authorization"):
            self.secret("Authorization", signed)
            self.never.append(Never("V3 signature", signed.rpartition("=")[2].encode()))
        else:
            asked = request.target if not request.body else bytes(request.body).decode()  # type: ignore[arg-type]
            signature = asked.rpartition("Signature=")[2]
            self.never += [Never("V1 signature", text.encode()) for text in (signature, unquote(signature))]
        return dict(send(self.url, request).json)

    def basic(self, user: str, secret: str, method: str, path: str, **more: object) -> httpx.Response:
        """Call the native API."""
        self.never.append(Never("Basic", b64encode(f"{user}:{secret}".encode())))
        return httpx.request(method, f"{self.url}{path}", auth=(user, secret), **more)  # type: ignore[arg-type]


def numbers() -> Iterator[Never]:
    for number in (*NUMBERS, *INVALID):
        digits = "".join(filter(str.isdigit, number))
        yield Never("number", digits.encode())
        yield Never("end of a number", digits[-8:].encode())
        if len(digits) < 17:
            # As a binary number in a database or a token, too.
            yield Never("binary number", int(digits).to_bytes(6, "big"))
            yield Never("binary number", int(digits).to_bytes(6, "little"))


def one_of_everything(told: Told, admin: AccessKey, data: Path) -> None:
    messages(told, admin)
    signatures(told, admin)
    told.secret("wrong secret", WRONG)
    told.secret("AccessKeySecret", admin.secret)
    for user, secret in (
        (admin.access_key_id, WRONG),
        (admin.secret, admin.access_key_id),  # the wrong way round
        (NUMBERS[0], WRONG),
        ("LTAI5tNobodyNobodyNobody1", admin.secret),
    ):
        assert told.basic(user, secret, "GET", "/v1/rates").status_code == 401
    roles(told, admin, data)
    pages(told, admin)


def pages(told: Told, admin: AccessKey) -> None:
    with httpx.Client(base_url=told.url, headers={"accept": "text/html"}) as browser:
        for secret, status in ((WRONG, 401), (admin.secret, 303)):
            form = {"access_key_id": admin.access_key_id, "access_key_secret": secret}
            assert browser.post("/sign-in", data=form).status_code == status
        told.never += [Never("cookie", value.encode()) for value in browser.cookies.values()]
        text = browser.get("/explorer").text
        token = text.partition('name="form_token" value="')[2].partition('"')[0]
        told.secret("token of the forms", token)
        form = {"form_token": token, "do": "call", "p-Delivered": "true", "p-To": NUMBERS[3]}
        for signature in ("V1", "V3"):
            called = browser.post("/explorer/SmsConversion", data=form | {"signature": signature})
            assert "&#34;ResponseCode&#34;: &#34;OK&#34;" in called.text
            assert admin.secret not in called.text
        called = browser.post(
            "/explorer/v1/recordMessages", data=form | {"p-message_id": "x", "p-to": NUMBERS[2]}
        )
        assert "&#34;recorded&#34;: 1" in called.text
        pasted = {"form_token": token, "request": f"{told.url}/?AccessKeyId={admin.access_key_id}"}
        assert browser.post("/explorer/diagnosis", data=pasted).status_code == 200


def messages(told: Told, admin: AccessKey) -> None:
    user, secret = admin.access_key_id, admin.secret
    sent = [{"message_id": f"m{place}", "to": to} for place, to in enumerate((*NUMBERS, *INVALID))]
    answer = told.basic(user, secret, "POST", "/v1/messages", json={"messages": sent}).json()
    assert (answer["recorded"], len(answer["ignored"])) == (len(sent), len(INVALID))
    converted = [{"to": to, "delivered": True} for to in (NUMBERS[0], *INVALID)]
    lines = "\n".join(json.dumps(each) for each in converted)
    kind = {"content-type": "application/x-ndjson"}
    answer = told.basic(user, secret, "POST", "/v1/conversions", content=lines, headers=kind).json()
    assert answer["recorded"] == 1
    for broken in (f'{{"messages": [{{"to": "{NUMBERS[1]}"', f'{{"to": "{NUMBERS[1]}"}}', NUMBERS[1]):
        assert told.basic(user, secret, "POST", "/v1/messages", content=broken, headers=JSON).is_client_error
    for path in (f"/v1/messages/{NUMBERS[2]}", f"/v1/rates?to={NUMBERS[2]}", f"/nowhere/{NUMBERS[2]}"):
        assert told.basic(user, secret, "GET", path).is_client_error


def signatures(told: Told, admin: AccessKey) -> None:
    by_number = {"To": NUMBERS[3], "Delivered": "true"}
    wrong = replace(admin, secret=WRONG)
    body = f"To=%2B{NUMBERS[1][1:]}&Delivered=true".encode()
    for key, code in ((admin, "OK"), (wrong, "SignatureDoesNotMatch")):
        for request in (
            v1(key, by_number),
            v1(key, by_number, method="POST", form=True),
            v3(key, by_number),
            v3(key, {}, headers={"content-type": FORM}, body=body),
        ):
            answer = told.send(request)
            assert answer.get("ResponseCode", answer.get("Code")) == code
    for number in INVALID:
        answer = told.send(v3(admin, by_number | {"To": number}))
        assert answer["ResponseCode"] == "MOBILE_NUMBER_ILLEGAL"
        told.send(v1(admin, by_number | {"To": number}))
    told.send(v3(admin, {"To": NUMBERS[0], "Delivered": "perhaps"}))
    told.send(v3(admin, {"To": NUMBERS[0], "Delivered": "true", "ConversionTime": "9" * 18}))
    told.send(v1(replace(admin, access_key_id=admin.secret), by_number))
    told.send(v3(replace(admin, access_key_id=admin.secret), by_number))


def roles(told: Told, admin: AccessKey, data: Path) -> None:
    with (
        closing(open_directory(load(data=data))) as directory,
        closing(open_key_store(load(data=data))) as keys,
    ):
        directory.create_role("default", "Reporter", 3_600)
        directory.attach("role", "default", "Reporter", "OtpconvReportOnly")
        with pytest.raises(InvalidRequest):
            directory.create_policy("default", "Bad", ALLOW_ALL.replace("Allow", WRONG))
        nobody = keys.create("default", "nobody", None)
    told.secret("AccessKeySecret of nobody", nobody.secret)
    asked = {"RoleArn": f"acs:ram::{admin.account}:role/Reporter", "RoleSessionName": "alice"}
    time.sleep(0.6)
    assert told.send(v3(nobody, asked, headers=ASSUME))["Code"] == "NoPermission"
    assert told.basic(nobody.access_key_id, nobody.secret, "GET", "/v1/rates").status_code == 403
    refused = told.send(v3(admin, asked | {"Policy": f'{{"Version": "{NUMBERS[0]}"}}'}, headers=ASSUME))
    assert refused["Code"] == "InvalidParameter.PolicyGrammar"
    for policy in ("", ALLOW_ALL):
        answer = told.send(v3(admin, asked | {"Policy": policy}, headers=ASSUME))
        given: dict[str, str] = answer["Credentials"]  # type: ignore[assignment]
        token = given["SecurityToken"]
        told.secret("secret of a session", given["AccessKeySecret"])
        told.secret("security token", token)
        session = replace(admin, access_key_id=given["AccessKeyId"], secret=given["AccessKeySecret"])
        report = {"To": NUMBERS[0], "Delivered": "true"}
        signed = {"x-acs-security-token": token}
        assert told.send(v3(session, report, headers=signed))["ResponseCode"] == "OK"
        assert told.send(v1(session, report | {"SecurityToken": token}))["ResponseCode"] == "OK"
        assert told.send(v3(session, asked, headers=ASSUME | signed))["Code"] == "NoPermission"
        for wrong in (replace(session, secret=WRONG), admin):
            told.send(v3(wrong, report, headers=signed))
            told.send(v1(wrong, report | {"SecurityToken": token}))
        told.send(v3(session, report, headers={"x-acs-security-token": token[:-4]}))
        told.send(v3(session, report))


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Used:
    """A server that did one of everything, and was stopped."""
    folder = tmp_path_factory.mktemp("secrets")
    data, stdout, log = folder / "data", folder / "stdout", folder / "server.log"
    settings = {"OTPCONV_LOG_LEVEL": "debug", "OTPCONV_LIMIT_FAILED_LOGINS": "off"}
    command = [sys.executable, "-m", "otpconv", "serve", "--port", "0", "--data", str(data)]
    kept = {name: value for name, value in environment().items() if not name.startswith("OTPCONV_")}
    with stdout.open("wb") as out, log.open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=kept | settings)  # noqa: S603
    try:
        server = LocalServer(data)
        deadline = time.monotonic() + 20
        while " listens on " not in stdout.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        server.url = stdout.read_text().partition(" listens on ")[2].partition(",")[0]
        first = (data / "first-key").read_text().strip()
        server.access_key_id, _, server.access_key_secret = first.partition(":")
        told = Told(server.url)
        one_of_everything(told, administrator(server), data)
    finally:
        process.terminate()
        assert process.wait(30) == 0
    return Used(
        folder, [stdout, log, data / "audit.ndjson"], [*told.never, *numbers()], server.access_key_secret
    )


def found(content: bytes, never: list[Never]) -> set[str]:
    return {each.what for each in never if each.text in content}


def test_the_search_would_find_a_secret(used: Used) -> None:
    assert len(used.never) > 100
    assert all(len(each.text) >= 6 for each in used.never)
    assert found(used.admin_secret.encode(), used.never) == {"AccessKeySecret"}
    assert found(b"..." + NUMBERS[0].encode(), used.never) == {"number", "end of a number"}


def test_log_output_and_audit_trail_were_written_and_hold_no_secret(used: Used) -> None:
    for file in used.outputs:
        content = file.read_bytes()
        assert content, file.name
        assert found(content, used.never) == set(), file.name
        for word in (b"Signature=", b"Basic ", b"ACS3-HMAC"):
            assert word not in content, file.name


def test_no_file_of_the_data_folder_holds_a_secret_but_the_first_key(used: Used) -> None:
    files = [file for file in (used.folder / "data").rglob("*") if file.is_file()]
    assert {"journal.sqlite", "ledger.sqlite", "access.sqlite", "first-key"} <= {file.name for file in files}
    for file in files:
        expected = {"AccessKeySecret"} if file.name == "first-key" else set()
        assert found(file.read_bytes(), used.never) == expected, file.name


def test_no_answer_of_a_refusal_repeats_a_secret(used: Used, make_server: Callable[..., LocalServer]) -> None:
    server = make_server(used.folder / "data", {"OTPCONV_LIMIT_FAILED_LOGINS": "off"})
    server.start()
    admin = administrator(server)
    for request in (
        v3(replace(admin, secret=WRONG), {"To": NUMBERS[0], "Delivered": "true"}),
        v3(admin, {"To": INVALID[0], "Delivered": "true"}),
        v1(admin, {"To": INVALID[0], "Delivered": "true"}),
    ):
        body = send(server.url, request).body
        assert admin.secret.encode() not in body
        assert WRONG.encode() not in body
    invalid = send(server.url, v3(admin, {"To": INVALID[0], "Delivered": "true"})).body
    assert INVALID[0][1:].encode() not in invalid

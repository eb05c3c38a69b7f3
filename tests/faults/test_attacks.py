"""Attacks on a running server: each is answered, and what it wanted is not recorded."""

import time
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlencode

import httpx
import pytest
from msgspec.structs import replace

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.dialects.alibaba.wire.signature import (
    V3_ALGORITHMS,
    canonical,
    v3_canonical_request,
    v3_signature,
    v3_string_to_sign,
)
from otpconv.service.opening import open_directory
from web.wire import FORM, Changes, Request, send, timestamp, v1, v3

JSON = "application/json"
ALLOW_ALL = '{"Version": "1", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
ASSUME = {"x-acs-action": "AssumeRole", "x-acs-version": "2015-04-01"}
WRONG = "wrong"
MISMATCH = "SignatureDoesNotMatch"


def about(message_id: str = "victim") -> dict[str, str]:
    return {"MessageId": message_id, "Delivered": "true"}


def refused(server: LocalServer, request: Request, code: str, status: int = 400) -> None:
    reply = send(server.url, request)
    assert (reply.json["Code"], reply.status) == (code, status)


def taken(server: LocalServer, request: Request) -> None:
    assert send(server.url, request).json["ResponseCode"] == "OK"


def unknown(own: httpx.Client, *message_ids: str) -> None:
    for message_id in message_ids or ("victim", "forged"):
        assert own.get(f"/v1/messages/{message_id}").status_code == 404, message_id


def known(own: httpx.Client, message_id: str) -> None:
    assert own.get(f"/v1/messages/{message_id}").status_code == 200


def with_headers(request: Request, **changes: str | None) -> Request:
    """Return a request with headers changed after it was signed; None drops one."""
    headers = dict(request.headers) | {name.replace("_", "-"): value for name, value in changes.items()}
    return request._replace(headers={name: value for name, value in headers.items() if value is not None})


def form(asked: dict[str, str]) -> bytes:
    return urlencode(asked).encode()


# Replays and old requests.


@pytest.mark.parametrize(("sign", "name"), [(v1, "SignatureNonce"), (v3, "x-acs-signature-nonce")])
def test_a_nonce_carries_no_second_request_though_its_parameters_are_signed_anew(
    server: LocalServer, key: AccessKey, own: httpx.Client, sign: Callable[..., Request], name: str
) -> None:
    nonce = {name: "the same"}

    def signed(message_id: str) -> Request:
        if sign is v1:
            return v1(key, about(message_id) | nonce)
        return v3(key, about(message_id), headers=nonce)

    taken(server, signed("first"))
    refused(server, signed("first"), "SignatureNonceUsed")
    refused(server, signed("victim"), "SignatureNonceUsed")
    known(own, "first")
    unknown(own)


@pytest.mark.parametrize("minutes", [-16, 16, -60 * 24 * 365, 60 * 24 * 365])
def test_a_request_from_the_past_or_the_future_is_stale(
    server: LocalServer, key: AccessKey, own: httpx.Client, minutes: int
) -> None:
    at = timestamp(minutes * 60_000)
    refused(server, v1(key, about() | {"Timestamp": at}), "InvalidTimeStamp.Expired")
    refused(server, v3(key, about(), headers={"x-acs-date": at}), "InvalidTimeStamp.Expired")
    unknown(own)


# Tampering.


@pytest.mark.parametrize("in_form", [False, True], ids=["query", "form"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("MessageId=victim", "MessageId=forged"),
        ("Delivered=true", "Delivered=false"),
        ("Delivered=true", "Delivered=true&To=%2B4915112345678"),
        ("SignatureNonce=", "SignatureNonce=0"),
        ("HMAC-SHA1", "HMAC-SHA256"),
        ("Format=JSON", "Format=json"),
        ("&Delivered=true", ""),
    ],
)
def test_a_v1_parameter_changed_added_or_dropped_after_signing_is_a_mismatch(
    server: LocalServer, key: AccessKey, own: httpx.Client, old: str, new: str, *, in_form: bool
) -> None:
    request = v1(key, about(), method="POST", form=in_form)
    assert isinstance(request.body, bytes)
    tampered = request._replace(
        target=request.target.replace(old, new), body=request.body.replace(old.encode(), new.encode())
    )
    assert tampered != request
    refused(server, tampered, MISMATCH)
    unknown(own)


@pytest.mark.parametrize("kind", [FORM, JSON])
def test_a_v3_body_changed_after_signing_is_refused_also_with_its_hash_put_right(
    server: LocalServer, key: AccessKey, own: httpx.Client, kind: str
) -> None:
    body = form(about()) if kind == FORM else b'{"MessageId": "victim", "Delivered": true}'
    request = v3(key, {}, headers={"content-type": kind}, body=body)
    forged = body.replace(b"victim", b"forged")
    refused(server, request._replace(body=forged), "ContentSha256NotMatched")
    right = V3_ALGORITHMS["ACS3-HMAC-SHA256"].hash(forged).decode()
    refused(server, with_headers(request._replace(body=forged), x_acs_content_sha256=right), MISMATCH)
    refused(server, request._replace(body=b""), "ContentSha256NotMatched")
    unknown(own)


@pytest.mark.parametrize(
    "changes",
    [
        {"x_acs_action": "ConversionData"},
        {"x_acs_action": "SmsConversionIntl", "x_acs_version": "2017-05-25"},
        {"x_acs_date": "in a minute"},
        {"x_acs_signature_nonce": "another"},
        {"host": "elsewhere.example"},
        {"user_agent": "another"},
        {"content_type": JSON},
    ],
    ids=",".join,
)
def test_a_signed_header_changed_or_dropped_after_signing_is_refused(
    server: LocalServer, key: AccessKey, own: httpx.Client, changes: dict[str, str]
) -> None:
    if "x_acs_date" in changes:
        changes = {"x_acs_date": timestamp(60_000)}
    kind_changed = "content_type" in changes
    more = {"user-agent": "its own", "content-type": FORM}
    request = v3(key, {}, headers=more, body=form(about()))
    # A body that is not JSON contradicts its header, which is checked first.
    refused(server, with_headers(request, **changes), "InvalidParameter" if kind_changed else MISMATCH)
    for name in changes:
        # Without a Host of ours http.client sends the true one, which was not signed.
        reply = send(server.url, with_headers(request, **{name: None}))
        assert reply.json["Code"] in {"IncompleteSignature", "MissingAction", "MissingVersion", MISMATCH}
    unknown(own)


def test_a_v3_query_changed_after_signing_is_a_mismatch(
    server: LocalServer, key: AccessKey, own: httpx.Client
) -> None:
    request = v3(key, about())
    for target in (
        request.target.replace("victim", "forged"),
        request.target + "&To=%2B4915112345678",
        request.target.replace("&Delivered=true", ""),
        "/?MessageId=forged&Delivered=true",
    ):
        refused(server, request._replace(target=target), MISMATCH)
    unknown(own)


def test_an_unsigned_form_body_takes_no_effect_under_either_signature(
    server: LocalServer, key: AccessKey, own: httpx.Client
) -> None:
    forged = form(about("forged"))
    for request, code in ((v3(key, about()), "ContentSha256NotMatched"), (v1(key, about()), MISMATCH)):
        refused(server, with_headers(request._replace(body=forged), content_type=FORM), code)
    # Signed by its hash, but what kind of body it is was not signed.
    bodied = v3(key, about(), body=forged)
    refused(server, with_headers(bodied, content_type=FORM), "IncompleteSignature")
    unknown(own)


def signed_without(key: AccessKey, left_out: str, asked: Changes) -> Request:
    """Return a V3 request that verifies, with one header not among the signed ones."""
    request = v3(key, asked)
    headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    names = sorted(headers.keys() - {left_out})
    algorithm = V3_ALGORITHMS["ACS3-HMAC-SHA256"]
    lines = "".join(f"{name}:{headers[name]}\n" for name in names).encode()
    parameters = {name: value for name, value in asked.items() if value is not None}
    whole = v3_canonical_request(
        request.method, canonical(parameters), lines, ";".join(names).encode(), algorithm.hash(b"")
    )
    signature = v3_signature(v3_string_to_sign(whole, algorithm), key.secret, algorithm).decode()
    headers["authorization"] = (
        f"{algorithm.name} Credential={key.access_key_id},SignedHeaders={';'.join(names)},"
        f"Signature={signature}"
    )
    return request._replace(headers=headers)


@pytest.mark.parametrize(
    "name", ["host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-content-sha256"]
)
def test_a_right_signature_that_leaves_a_mandatory_header_out_is_incomplete(
    server: LocalServer, key: AccessKey, own: httpx.Client, name: str
) -> None:
    refused(server, signed_without(key, name, about()), "IncompleteSignature")
    unknown(own)
    taken(server, signed_without(key, "nothing", about()))


# Two values of one thing.


def test_of_a_parameter_in_query_and_body_the_signed_one_counts(
    server: LocalServer, key: AccessKey, own: httpx.Client
) -> None:
    beside = v1(key, about("signed-1"), method="POST", form=True)
    taken(server, beside._replace(target="/?MessageId=forged"))
    known(own, "signed-1")
    both = v3(key, about("victim"), headers={"content-type": FORM}, body=form(about("signed-3")))
    taken(server, both)
    known(own, "signed-3")
    refused(server, both._replace(target="/?MessageId=forged&Delivered=true"), MISMATCH)
    unknown(own)


@pytest.mark.parametrize("again", ["MessageId=forged", "Message%49d=forged", "MessageId=victim"])
@pytest.mark.parametrize("sign", [v1, v3], ids=["V1", "V3"])
def test_a_parameter_twice_in_the_query_is_refused_however_it_is_written(
    server: LocalServer, key: AccessKey, own: httpx.Client, sign: Callable[..., Request], again: str
) -> None:
    request = sign(key, about())
    for target in (f"{request.target}&{again}", f"/?{again}&{request.target.removeprefix('/?')}"):
        refused(server, request._replace(target=target), "InvalidMessageId")
    unknown(own)


# Whose key it is.


def test_the_key_of_a_deleted_user_stops_working_within_a_second(
    server: LocalServer, key: AccessKey, own: httpx.Client, make_key: Callable[..., AccessKey]
) -> None:
    gone = make_key(account=key.account_name)
    taken(server, v3(gone, about("before")))
    with closing(open_directory(load(data=server.data))) as directory:
        directory.delete("user", gone.account_name, gone.user)
    time.sleep(1)
    refused(server, v3(gone, about()), "InvalidAccessKeyId.NotFound", 404)
    refused(server, v1(gone, about()), "InvalidAccessKeyId.NotFound", 404)
    basic = httpx.get(f"{server.url}/v1/messages/before", auth=(gone.access_key_id, gone.secret))
    assert basic.status_code == 401
    known(own, "before")
    unknown(own)


def test_unknown_keys_and_wrong_secrets_have_the_vendors_codes_and_record_nothing(
    server: LocalServer, key: AccessKey, own: httpx.Client, make_key: Callable[..., AccessKey]
) -> None:
    nobody = replace(key, access_key_id="LTAI5tNobodyNobodyNobody1")
    for wrong in (replace(key, secret=WRONG), replace(key, secret=make_key().secret)):
        refused(server, v1(wrong, about()), MISMATCH)
        refused(server, v3(wrong, about()), MISMATCH)
    refused(server, v1(nobody, about()), "InvalidAccessKeyId.NotFound", 404)
    refused(server, v3(nobody, about()), "InvalidAccessKeyId.NotFound", 404)
    unknown(own)


def test_by_basic_nothing_in_the_whole_answer_tells_an_unknown_key_from_a_wrong_secret(
    server: LocalServer, key: AccessKey
) -> None:
    answers = {
        (reply.status_code, reply.content, tuple(sorted(set(reply.headers.items()) - own)))
        for auth in ((key.access_key_id, "x"), ("LTAI5tNobodyNobodyNobody1", key.secret), ("", "x"))
        for reply in [httpx.get(f"{server.url}/v1/messages/victim", auth=auth)]
        # Every answer has two of its own, whoever asks.
        for own in [{(name, reply.headers[name]) for name in ("date", "x-request-id")}]
    }
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401


def assumed(server: LocalServer, key: AccessKey, role: str, policy: str = "") -> tuple[AccessKey, str]:
    """Assume a role once the server has seen it; return temporary key and security token."""
    asked = {"RoleArn": f"acs:ram::{key.account}:role/{role}", "RoleSessionName": "mallory", "Policy": policy}
    for _ in range(100):
        answer = send(server.url, v3(key, asked, headers=ASSUME)).json
        if answer.get("Code") != "EntityNotExist.Role":
            break
        time.sleep(0.02)
    given = answer["Credentials"]
    temporary = replace(key, access_key_id=given["AccessKeyId"], secret=given["AccessKeySecret"])
    return temporary, given["SecurityToken"]


def make_role(server: LocalServer, key: AccessKey, name: str, policy: str) -> None:
    with closing(open_directory(load(data=server.data))) as directory:
        directory.create_role(key.account_name, name, 3_600)
        directory.attach("role", key.account_name, name, policy)


def test_a_session_token_works_with_no_key_but_its_own(
    server: LocalServer, key: AccessKey, own: httpx.Client, make_key: Callable[..., AccessKey]
) -> None:
    other = make_key()
    for each in (key, other):
        make_role(server, each, "Reporter", "OtpconvReportOnly")
    (mine, token), (theirs, _) = (assumed(server, each, "Reporter") for each in (key, other))
    crossed = "InvalidSecurityToken.MismatchWithAccessKey"
    for thief, code in (
        (other, crossed),
        (key, crossed),
        (theirs, crossed),
        (replace(mine, secret=theirs.secret), MISMATCH),
        (replace(mine, secret=other.secret), MISMATCH),
    ):
        refused(server, v3(thief, about(), headers={"x-acs-security-token": token}), code)
        refused(server, v1(thief, about() | {"SecurityToken": token}), code)
    refused(server, v3(mine, about()), "MissingSecurityToken")
    unknown(own)
    with httpx.Client(base_url=server.url, auth=(other.access_key_id, other.secret)) as client:
        unknown(client)


def test_temporary_credentials_grant_themselves_nothing_more(
    server: LocalServer, key: AccessKey, own: httpx.Client
) -> None:
    make_role(server, key, "Reader", "AliyunDysmsReadOnlyAccess")
    make_role(server, key, "Boss", "AdministratorAccess")
    for policy in ("", ALLOW_ALL):
        reader, token = assumed(server, key, "Reader", policy)
        signed = {"x-acs-security-token": token}
        refused(server, v3(reader, about(), headers=signed), "NoPermission", 403)
        boss = {"RoleArn": f"acs:ram::{key.account}:role/Boss", "RoleSessionName": "mallory"}
        refused(server, v3(reader, boss, headers=ASSUME | signed), "NoPermission", 403)
        # Nor is a policy taken that comes with the call itself.
        asked = about() | {"Policy": ALLOW_ALL}
        refused(server, v3(reader, asked, headers=signed), "NoPermission", 403)
    unknown(own)

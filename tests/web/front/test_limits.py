"""Callers over a limit, and addresses whose logins keep failing."""

from collections.abc import Callable
from contextlib import closing

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.errors import Misconfigured
from otpconv.service.opening import open_directory, open_key_store
from web.wire import NO_TLS, Reply, administrator, send, v1, v3

CONVERSION = {"MessageId": "1", "Delivered": "true"}
WRONG = "wrong"
MakeServer = Callable[..., LocalServer]


def started(make_server: MakeServer, **settings: str) -> LocalServer:
    server = make_server(settings={f"OTPCONV_{name.upper()}": value for name, value in settings.items()})
    server.start()
    return server


def rates(
    server: LocalServer, secret: str | None = None, source: str | None = None, *, key: str | None = None
) -> httpx.Response:
    auth = (key or server.access_key_id, secret or server.access_key_secret)
    headers = {"x-forwarded-for": source} if source else {}
    # Quick: twenty slow calls last longer than a limit takes to let one more through.
    return httpx.get(f"{server.url}/v1/rates", auth=auth, headers=headers, verify=NO_TLS)


def throttled(reply: Reply, at_most_ms: int) -> None:
    assert (reply.status, reply.json["Code"]) == (400, "Throttling.User")
    assert reply.json["Message"].startswith("Request was denied due to user flow control.")
    assert 1 <= int(reply.headers["x-acs-retry-after"]) <= at_most_ms


def test_a_signed_call_over_the_limit_is_throttled_with_its_wait(make_server: MakeServer) -> None:
    server = started(make_server, limit_key="2/m")
    key = administrator(server)
    for _ in range(2):
        assert send(server.url, v3(key, CONVERSION)).json["ResponseCode"] == "OK"
    throttled(send(server.url, v3(key, CONVERSION)), 30_000)
    reply = send(server.url, v1(key, CONVERSION | {"Format": "XML"}))
    assert b"<Code>Throttling.User</Code>" in reply.body
    assert int(reply.headers["x-acs-retry-after"]) > 0


def test_a_refused_call_counts_for_nothing(make_server: MakeServer) -> None:
    server = started(make_server, limit_account="1/m", limit_failed_logins="off")
    key = administrator(server)
    for _ in range(3):
        assert send(server.url, v3(key, CONVERSION, secret=WRONG)).json["Code"] == "SignatureDoesNotMatch"
    store = open_key_store(load(data=server.data))
    nobody = store.create("default", "nobody", None)
    store.close()
    while rates(server, nobody.secret, key=nobody.access_key_id).status_code == 401:
        pass
    assert send(server.url, v3(nobody, CONVERSION)).json["Code"] == "NoPermission"
    assert send(server.url, v3(key, CONVERSION)).json["ResponseCode"] == "OK"
    throttled(send(server.url, v3(key, CONVERSION)), 60_000)


def doors(server: LocalServer, key: AccessKey) -> dict[str, str]:
    """Return what each door says to the holder of a key: `allowed`, `denied` or `throttled`."""
    codes = {"NoPermission": "denied", "Throttling.User": "throttled"}
    statuses = {403: "denied", 429: "throttled"}
    role = {"RoleArn": f"acs:ram::{key.account}:role/Reporter", "RoleSessionName": "alice"}
    sts = {"x-acs-action": "AssumeRole", "x-acs-version": "2015-04-01"}
    auth = (key.access_key_id, key.secret)
    with httpx.Client(base_url=server.url, headers={"accept": "text/html"}) as browser:
        browser.post("/sign-in", data={"access_key_id": auth[0], "access_key_secret": auth[1]})
        statuses_of = {
            "native": httpx.get(f"{server.url}/v1/rates", auth=auth),
            "metrics": httpx.get(f"{server.url}/metrics", auth=auth),
            "page": browser.get("/dashboard"),
        }
    replies = {
        "V3": send(server.url, v3(key, CONVERSION)),
        "V1": send(server.url, v1(key, CONVERSION)),
        "STS": send(server.url, v3(key, role, headers=sts)),
        "STS, no such role": send(
            server.url, v3(key, role | {"RoleArn": role["RoleArn"] + "s"}, headers=sts)
        ),
    }
    return {name: statuses.get(answer.status_code, "allowed") for name, answer in statuses_of.items()} | {
        name: codes.get(reply.json.get("Code", ""), "allowed") for name, reply in replies.items()
    }


def test_every_door_asks_the_policies_before_it_counts_a_call(make_server: MakeServer) -> None:
    server = started(make_server, limit_account="7/h", limit_failed_logins="off")
    with closing(open_directory(load(data=server.data))) as directory:
        directory.create_role("default", "Reporter", 3_600)
    with closing(open_key_store(load(data=server.data))) as store:
        nobody = store.create("default", "nobody", None)
    while rates(server, nobody.secret, key=nobody.access_key_id).status_code == 401:
        pass
    for _ in range(3):
        assert set(doors(server, nobody).values()) == {"denied"}
    assert set(doors(server, administrator(server)).values()) == {"allowed"}
    assert set(doors(server, administrator(server)).values()) == {"throttled"}
    # A caller without permission gets this error even while those who have it must wait.
    assert set(doors(server, nobody).values()) == {"denied"}


def test_a_native_call_counts_once_and_says_when_to_come_again(make_server: MakeServer) -> None:
    server = started(make_server, limit_action="2/m")
    messages = {"messages": [{"message_id": str(number)} for number in range(100)]}
    auth = (server.access_key_id, server.access_key_secret)
    for _ in range(2):
        assert httpx.post(f"{server.url}/v1/messages", json=messages, auth=auth).status_code == 200
    answer = httpx.post(f"{server.url}/v1/messages", json=messages, auth=auth)
    assert (answer.status_code, answer.json()["code"]) == (429, "Throttled")
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert rates(server).status_code == 200  # another action


def test_an_address_whose_log_ins_keep_failing_has_to_wait(make_server: MakeServer) -> None:
    server = started(make_server)
    for _ in range(20):
        assert rates(server, "wrong").status_code == 401
    for secret in ("wrong", None):
        answer = rates(server, secret)
        assert (answer.status_code, answer.json()["code"]) == (429, "Throttled")
        assert 1 <= int(answer.headers["retry-after"]) <= 3
    throttled(send(server.url, v3(administrator(server), CONVERSION)), 3_000)


def test_unknown_keys_and_wrong_signatures_are_failed_log_ins(make_server: MakeServer) -> None:
    server = started(make_server, limit_failed_logins="2/h")
    key = administrator(server)
    reply = send(server.url, v3(key, CONVERSION | {"AccessKeyId": "LTAInobody"}, secret=WRONG))
    assert reply.json["Code"] == "SignatureDoesNotMatch"
    reply = send(server.url, v1(key, CONVERSION | {"AccessKeyId": "LTAInobody"}))
    assert reply.json["Code"] == "InvalidAccessKeyId.NotFound"
    throttled(send(server.url, v1(key, CONVERSION)), 1_800_000)
    assert rates(server).status_code == 429


def test_each_address_behind_a_trusted_proxy_fails_for_itself(make_server: MakeServer) -> None:
    server = started(make_server, limit_failed_logins="2/h", trusted_proxies="127.0.0.1")
    for _ in range(2):
        assert rates(server, "wrong", "198.51.100.1").status_code == 401
    assert rates(server, None, "198.51.100.1").status_code == 429
    assert rates(server, None, "198.51.100.2").status_code == 200
    assert rates(server).status_code == 200


def test_no_credentials_are_no_failed_log_in(make_server: MakeServer) -> None:
    server = started(make_server, limit_failed_logins="1/h")
    for _ in range(3):
        assert httpx.get(f"{server.url}/v1/rates").status_code == 401
    assert rates(server).status_code == 200


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("limit_account", "many", "500/s burst 1000. To set no limit, use off."),
        ("limit_key", "0/s", "more than 0"),
        ("limit_action", "", "OTPCONV_LIMIT_ACTION"),
        ("limit_failed_logins", "20", "Invalid rate limit '20'"),
        ("trusted_proxies", "10.0.0.1/8", "has host bits set; use comma-separated networks"),
        ("trusted_proxies", "proxy.example", "use comma-separated networks"),
    ],
)
def test_a_malformed_setting_is_named_with_what_to_write(setting: str, value: str, says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(**{setting: value})
    assert caught.value.text.startswith(f"setting {setting}: ")
    assert says in caught.value.text


def test_limits_are_off_unless_set_but_for_failed_log_ins() -> None:
    account, key, action, failed = load().limits()
    assert (account, key, action) == (None, None, None)
    assert failed is not None
    assert failed.burst == 20
    assert load(limit_failed_logins=" OFF ").limits()[3] is None

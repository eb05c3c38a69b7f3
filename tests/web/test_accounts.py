"""One account and another: whatever is tried, neither sees nor changes anything of the other's."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from otpconv.access.directory import Directory
from otpconv.access.keys import AccessKey, KeyStore
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.errors import InvalidRequest, NotFound
from otpconv.service.opening import open_directory, open_key_store
from web.wire import Changes, Reply, send, v1, v3

NUMBER = "+4915112345678"
OTHER_NUMBER = "+4915187654321"
ASSUME = {"x-acs-action": "AssumeRole", "x-acs-version": "2015-04-01"}
RATE = {"x-acs-action": "ConversionData"}
DOCUMENT = '{"Version": "1", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}'


class Two(NamedTuple):
    """An account that has things, another that wants them, and how each is reached."""

    server: LocalServer
    owner: AccessKey
    mine: httpx.Client
    thief: AccessKey
    theirs: httpx.Client
    directory: Directory
    keys: KeyStore

    def rpc(self, asked: Changes, headers: Changes | None = None) -> Reply:
        """Call as the thief, V3."""
        return send(self.server.url, v3(self.thief, asked, headers=headers))


@pytest.fixture(scope="module")
def two(server: LocalServer, make_key: Callable[..., AccessKey]) -> Iterator[Two]:
    owner, thief = make_key(), make_key()
    directory = open_directory(load(data=server.data))
    keys = open_key_store(load(data=server.data))
    clients = [
        httpx.Client(base_url=server.url, auth=(each.access_key_id, each.secret)) for each in (owner, thief)
    ]
    both = Two(server, owner, clients[0], thief, clients[1], directory, keys)
    sent = [
        {"message_id": "secret", "to": NUMBER, "provider": "secret-provider"},
        {"message_id": "number", "to": OTHER_NUMBER},
    ]
    assert both.mine.post("/v1/messages", json={"messages": sent}).json()["recorded"] == 2
    send(server.url, v3(owner, {"ConversionRate": "0.123"}, headers=RATE))
    send(server.url, v3(owner, {"MessageId": "never-sent", "Delivered": "true"}))
    account = owner.account_name
    directory.create_user(account, "Clerk")
    directory.create_policy(account, "Secret", DOCUMENT)
    directory.attach("user", account, "Clerk", "Secret")
    directory.create_role(account, "Reporter", 3_600)
    directory.attach("role", account, "Reporter", "OtpconvReportOnly")
    directory.create_role(account, "Reader", 3_600)
    deadline = time.monotonic() + 5
    while assume(both, owner).get("Code") == "EntityNotExist.Role" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "Credentials" in assume(both, owner)
    yield both
    for client in clients:
        client.close()
    directory.close()
    keys.close()


def assume(two: Two, caller: AccessKey, **more: str) -> Any:  # noqa: ANN401 - JSON is anything
    asked = {"RoleArn": f"acs:ram::{two.owner.account}:role/Reporter", "RoleSessionName": "thief"}
    return send(two.server.url, v3(caller, asked | more, headers=ASSUME)).json


def settle(two: Two) -> None:
    """Wait until everything that came before is in the ledger, which takes reports in their order."""
    before = requested(two.theirs)
    two.theirs.post("/v1/messages", json={"messages": [{"message_id": f"mark-{time.time_ns()}"}]})
    deadline = time.monotonic() + 5
    while requested(two.theirs) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert requested(two.theirs) > before


def requested(client: httpx.Client) -> int:
    return int(client.get("/v1/rates").json()["rows"][0]["requested"])


def all_of_the_owner(two: Two) -> object:
    """Return everything the owner's account has, as its owner and its operator see it."""
    account = two.owner.account_name
    rates = two.mine.get("/v1/rates").json()
    split = two.mine.get("/v1/rates?by=country,provider").json()["rows"]
    names = ("secret", "number", "never-sent", "new")
    messages = [two.mine.get(f"/v1/messages/{name}").json() for name in names]
    for message in messages:
        for changes_with_time in ("status", "story", "advice"):
            message.pop(changes_with_time, None)
    return (
        messages,
        rates["rows"],
        split,
        rates["unmatched"],
        rates["self_reported"],
        two.directory.users(account),
        two.directory.roles(account),
        two.directory.policies(account),
        [repr(key) for key in two.keys.list() if key.account == two.owner.account],
    )


def batch(name: str, item: dict[str, object]) -> Callable[[Two], None]:
    def attempt(two: Two) -> None:
        assert two.theirs.post(f"/v1/{name}", json={name: [item]}).status_code == 200

    return attempt


def answered(asked: Changes, headers: Changes | None = None) -> Callable[[Two], None]:
    """A report that is good in the thief's own account, and must stay there."""

    def attempt(two: Two) -> None:
        named = {name: value and value.format(owner=two.owner) for name, value in asked.items()}
        assert two.rpc(named, headers).json["ResponseCode"] == "OK"
        action = (headers or {}).get("x-acs-action", "SmsConversion")
        reply = send(two.server.url, v1(two.thief, named | {"Action": action}))
        assert reply.json["ResponseCode"] == "OK"

    return attempt


def role_of_another(two: Two) -> None:
    there, nowhere = assume(two, two.thief), assume(two, two.thief, RoleArn="acs:ram::999999:role/Reporter")
    for told in (there, nowhere):
        assert told["Code"] == "EntityNotExist.Role"
    assert there["Message"] == nowhere["Message"]


def namesake_role(two: Two) -> None:
    """A role of the same name in the thief's account opens the thief's account, and no other."""
    two.directory.create_role(two.thief.account_name, "Reporter", 3_600)
    two.directory.attach("role", two.thief.account_name, "Reporter", "AdministratorAccess")
    time.sleep(0.6)
    role_of_another(two)


def key_of_another(two: Two) -> None:
    for access_key_id, secret in (
        (two.owner.access_key_id, two.thief.secret),
        (two.thief.access_key_id, two.owner.secret),
    ):
        answer = httpx.get(f"{two.server.url}/v1/messages/secret", auth=(access_key_id, secret))
        assert answer.status_code == 401
        assert "secret-provider" not in answer.text


def invisible(path: str, status: int) -> Callable[[Two], None]:
    def attempt(two: Two) -> None:
        hints = {"x-account": str(two.owner.account), "x-acs-account-id": str(two.owner.account)}
        answer = two.theirs.get(path.format(owner=two.owner), headers=hints)
        assert answer.status_code == status
        for told in ("secret-provider", "0.123", two.owner.access_key_id, two.owner.account_name):
            assert told not in answer.text

    return attempt


OVER_HTTP: dict[str, Callable[[Two], None]] = {
    "convert a message by its id": answered({"MessageId": "secret", "Delivered": "true"}),
    "convert a message by its number": answered({"To": NUMBER, "Delivered": "true"}),
    "convert a message by both": answered({"MessageId": "secret", "To": NUMBER, "Delivered": "true"}),
    "name the other account in parameters": answered(
        {
            "MessageId": "secret",
            "Delivered": "true",
            "OwnerId": "{owner.account}",
            "ResourceOwnerId": "{owner.account}",
            "ResourceOwnerAccount": "{owner.account_name}",
            "AccountId": "{owner.account}",
        }
    ),
    "report a rate": answered({"ConversionRate": "0.9", "OwnerId": "{owner.account}"}, RATE),
    "assume the other's role": role_of_another,
    "assume the other's role with one of the same name": namesake_role,
    "mix the keys": key_of_another,
    "take over a message": batch("messages", {"message_id": "secret", "provider": "thief", "country": "FR"}),
    "take over a number": batch("messages", {"message_id": "new", "to": NUMBER}),
    "convert by id": batch("conversions", {"message_id": "secret", "delivered": True}),
    "convert by number": batch("conversions", {"to": OTHER_NUMBER, "delivered": True}),
    "name the account in an item": batch("messages", {"message_id": "new", "account": 1}),
    "read a rate's neighbours": invisible("/v1/rates?by=provider,country", 200),
    "read rates of the account": invisible("/v1/rates?account={owner.account}", 400),
    "read rates of the provider": invisible("/v1/rates?provider=nobody", 200),
    "list messages": invisible("/v1/messages", 405),
    "read a message's path around": invisible("/v1/messages/..%2F{owner.account}%2Fnumber", 404),
}


@pytest.mark.parametrize("attempt", OVER_HTTP)
def test_no_call_over_http_reaches_into_another_account(two: Two, attempt: str) -> None:
    settle(two)
    before = all_of_the_owner(two)
    OVER_HTTP[attempt](two)
    settle(two)
    assert all_of_the_owner(two) == before


def test_a_message_of_one_account_is_to_another_what_one_that_never_was_is(two: Two) -> None:
    told = {
        json.dumps(answer.json()).replace(name, "")
        for name in ("number", "never-sent", "never-was")
        for answer in [two.theirs.get(f"/v1/messages/{name}")]
        if answer.status_code == 404
    }
    assert len(told) == 1


IN_THE_STORE: dict[str, Callable[[Two, str], object]] = {
    "show a user": lambda two, own: two.directory.user(own, "Clerk"),
    "show a role": lambda two, own: two.directory.role(own, "Reader"),
    "show a policy": lambda two, own: two.directory.policy(own, "Secret"),
    "delete a user": lambda two, own: two.directory.delete("user", own, "Clerk"),
    "delete the other's administrator": lambda two, own: two.directory.delete("user", own, two.owner.user),
    "delete a role": lambda two, own: two.directory.delete("role", own, "Reader"),
    "delete a policy": lambda two, own: two.directory.delete_policy(own, "Secret"),
    "attach the policy": lambda two, own: two.directory.attach("user", own, two.thief.user, "Secret"),
    "attach to the user": lambda two, own: two.directory.attach("user", own, "Clerk", "AdministratorAccess"),
    "detach from the user": lambda two, own: two.directory.detach("user", own, "Clerk", "Secret"),
    "make a key with the policy": lambda two, own: two.keys.create(own, "another", "Secret"),
    "cross by a path": lambda two, own: two.directory.user(f"{own}/../{two.owner.account_name}", "Clerk"),
    "cross by a pattern": lambda two, _: two.directory.user("%", "Clerk"),
    "cross by SQL": lambda two, own: two.directory.user(f"{own}' OR '1'='1", "Clerk"),
}


@pytest.mark.parametrize("attempt", IN_THE_STORE)
def test_no_call_of_the_store_in_the_name_of_one_account_reaches_into_another(two: Two, attempt: str) -> None:
    before = all_of_the_owner(two)
    with pytest.raises((NotFound, InvalidRequest)):
        IN_THE_STORE[attempt](two, two.thief.account_name)
    assert all_of_the_owner(two) == before


def test_lists_of_the_store_hold_nothing_of_another_account(two: Two) -> None:
    own = two.thief.account_name
    assert "Clerk" not in {user.name for user in two.directory.users(own)}
    assert "Secret" not in {policy.name for policy in two.directory.policies(own)}
    assert {user.account for user in two.directory.users(own)} == {two.thief.account}
    assert {role.account for role in two.directory.roles(own)} <= {two.thief.account}


def test_namesakes_in_two_accounts_are_changed_one_at_a_time(two: Two) -> None:
    before = all_of_the_owner(two)
    own = two.thief.account_name
    two.directory.create_user(own, "Clerk")
    two.directory.create_policy(own, "Secret", DOCUMENT.replace("Deny", "Allow"))
    two.directory.attach("user", own, "Clerk", "Secret")
    key = two.keys.create(own, "Clerk", None)
    assert key.account == two.thief.account
    two.directory.delete("user", own, "Clerk")
    two.directory.delete_policy(own, "Secret")
    assert all_of_the_owner(two) == before

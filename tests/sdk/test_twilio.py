"""The official Twilio SDKs, unmodified, against a real server, as the how-to shows them word for word."""

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

from audited import audited
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import iso_8601, wall_clock
from otpconv.config import environment
from otpconv.dialects.twilio.attempts import MAX_PAGE, sid_of

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/how-to/vendors/twilio.md"
SM, VE = "SM0123456789abcdef0123456789abcdef", "VE0123456789abcdef0123456789abcdef"
VA = "VA0123456789abcdef0123456789abcdef"
NUMBER, OTHER = "+4915112345678", "+33612345678"

Eventually = Callable[[Callable[[], object], object], None]
Calls = Callable[..., list[Any]]


def blocks(language: str) -> list[str]:
    """Return the blocks of the how-to."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def redirected(server: LocalServer, access_key_id: str, secret: str) -> Client:
    """Return a client of the SDK with the line of the how-to."""
    client = Client(access_key_id, secret)
    client.api.base_url = client.verify.base_url = server.url
    return client


def settings_of(server: LocalServer, key: AccessKey) -> dict[str, str]:
    """Return the variables that the blocks read."""
    settings = {"ENDPOINT": server.url, "ACCESS_KEY_ID": key.access_key_id, "ACCESS_KEY_SECRET": key.secret}
    return {f"OTPCONV_{name}": value for name, value in settings.items()}


def minutes_ago(minutes: int) -> int:
    return wall_clock() - minutes * 60_000


def at(time: int) -> datetime:
    return datetime.fromtimestamp(time / 1000, UTC)


def message(message_id: str, minutes: int = 5, **fields: object) -> dict[str, object]:
    return {"message_id": message_id, "requested_at": minutes_ago(minutes), **fields}


def request(own: httpx.Client, *messages: dict[str, object]) -> None:
    assert own.post("/v1/messages", json={"messages": messages}).json()["recorded"] == len(messages)


def refused(call: Callable[[], object]) -> tuple[int, int, str]:
    """Return status, code and text of the error that a call raises."""
    with pytest.raises(TwilioRestException) as caught:
        call()
    return caught.value.status, caught.value.code, caught.value.msg


@pytest.fixture
def sdk(server: LocalServer, key: AccessKey) -> Client:
    return redirected(server, key.access_key_id, key.secret)


@pytest.fixture
def node(node_modules: Path, server: LocalServer, key: AccessKey, tmp_path: Path) -> Calls:
    """Makes calls with the client that the block of the how-to makes."""
    (block,) = blocks("js")
    script = tmp_path / "how-to.js"
    script.write_text(f"{block}\nrequire({json.dumps(str(HERE / 'node/twilio.js'))}).answerWith(client);\n")

    def run(*calls: dict[str, Any]) -> list[Any]:
        done = subprocess.run(  # noqa: S603 - our own script
            ["node", script],  # noqa: S607 - the one on the path
            input=json.dumps(calls),
            env=environment() | settings_of(server, key) | {"NODE_PATH": str(node_modules)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers: list[Any] = json.loads(done.stdout)
        return answers

    return run


def test_the_blocks_of_the_how_to_report_and_read(
    server: LocalServer,
    key: AccessKey,
    own: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    request(
        own,
        message(SM, to="+4915100000001", provider="twilio"),
        message(VE, to="+4915100000002"),
        message("by number", to=NUMBER) | {"message_id": "by-number"},
        message("waiting", to="+4915100000003"),
        message("elsewhere", to=OTHER),
    )
    for name, value in settings_of(server, key).items():
        monkeypatch.setenv(name, value)
    known: dict[str, Any] = {}
    for block in blocks("python"):
        exec(block, known)  # noqa: S102 - our own document
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "4 3 75.0"
    assert [(line.split()[0], line.split()[-1]) for line in rest] == [
        (sid_of("elsewhere"), "elsewhere"),
        (sid_of("waiting"), "waiting"),
    ]
    rates = own.get("/v1/rates", params={"by": "country"}).json()["rows"]
    assert [(row["country"], row["requested"], row["verified"]) for row in rates] == [
        ("DE", 4, 3),
        ("FR", 1, 0),
    ]


def test_feedback_and_updates_are_answered_as_the_sdk_expects(sdk: Client, own: httpx.Client) -> None:
    request(own, message(SM), message(VE), message("late", to=NUMBER))
    nothing = sdk.messages(SM).feedback.create()
    assert (nothing.outcome, nothing.message_sid) == ("unconfirmed", SM)
    assert not own.get(f"/v1/messages/{SM}").json()["verified"]
    assert own.get(f"/v1/messages/{SM}").json()["delivered_false_last"] is None
    for _ in range(2):
        feedback = sdk.messages(SM).feedback.create(outcome="confirmed")
        assert (feedback.outcome, feedback.account_sid) == ("confirmed", sdk.account_sid)
        assert feedback.uri == f"/2010-04-01/Accounts/{sdk.account_sid}/Messages/{SM}/Feedback.json"
    assert own.get(f"/v1/messages/{SM}").json()["verified"]

    verifications = sdk.verify.v2.services(VA).verifications
    canceled = verifications(VE).update(status="canceled")
    assert (canceled.sid, canceled.service_sid, canceled.status, canceled.valid) == (
        VE,
        VA,
        "canceled",
        False,
    )
    assert own.get(f"/v1/messages/{VE}").json()["delivered_false_last"] is not None
    approved = verifications(NUMBER).update(status="approved")
    assert (approved.to, approved.status, approved.valid) == (NUMBER, "approved", True)
    assert own.get("/v1/messages/late").json()["verified"]


def test_errors_are_those_that_the_sdk_understands(
    server: LocalServer, sdk: Client, key: AccessKey, make_key: Callable[..., AccessKey]
) -> None:
    feedback = sdk.messages(SM).feedback
    assert refused(lambda: feedback.create(outcome="maybe"))[:2] == (400, 20001)
    assert refused(lambda: sdk.verify.v2.services(VA).verifications(VE).update(status="x"))[:2] == (
        400,
        20001,
    )
    assert refused(lambda: sdk.verify.v2.services(VA).verifications("+1").update(status="approved"))[:2] == (
        400,
        20001,
    )
    for who, secret in ((key.access_key_id, "wrong"), ("nobody", key.secret)):
        wrong = redirected(server, who, secret)
        assert refused(lambda: wrong.messages(SM).feedback.create(outcome="confirmed"))[:2] == (401, 20003)  # noqa: B023
    reader, off = make_key("OtpconvReadOnly"), make_key(disabled=True)
    for other, expected in ((reader, (403, 20006)), (off, (401, 20005))):
        limited = redirected(server, other.access_key_id, other.secret)
        assert refused(lambda: limited.messages(SM).feedback.create(outcome="confirmed"))[:2] == expected  # noqa: B023
    status, code, text = refused(lambda: sdk.messages.create(to=NUMBER, from_="+15005550006", body="1"))
    assert (status, code) == (404, 20404)
    assert "send=on" in text
    assert refused(lambda: sdk.verify.v2.services(VA).verification_checks.create(code="1", to=NUMBER))[
        :2
    ] == (404, 20404)
    attempts = sdk.verify.v2.verification_attempts
    for sid in (sid_of("unknown"), "VL0", "SM1"):
        assert refused(lambda: attempts(sid).fetch())[:2] == (404, 20404)  # noqa: B023
    summary = sdk.verify.v2.verification_attempts_summary()
    for wrong_filter in ({"country": "Germany"}, {"channel": "pigeon"}, {"destination_prefix": "0"}):
        assert refused(lambda: summary.fetch(**wrong_filter))[:2] == (400, 20001)  # noqa: B023


def test_a_caller_over_a_limit_gets_the_code_of_the_vendor(make_server: Callable[..., LocalServer]) -> None:
    limited = make_server(settings={"OTPCONV_LIMIT_FAILED_LOGINS": "1/s burst 1"})
    limited.start()
    wrong = redirected(limited, limited.access_key_id, "wrong").messages(SM).feedback
    assert refused(lambda: wrong.create(outcome="confirmed"))[:2] == (401, 20003)
    assert refused(lambda: wrong.create(outcome="confirmed"))[:2] == (429, 20429)


def test_a_list_goes_over_pages_and_filters(sdk: Client, own: httpx.Client) -> None:
    count = 2 * MAX_PAGE + 10
    request(
        own,
        *(
            message(
                f"m{number}",
                to=NUMBER if number % 2 else OTHER,
                channel=("sms", "voice", "rcs")[number % 3],
                sender=VA if number % 5 == 0 else "",
            )
            for number in range(count)
        ),
        message(VE, to=NUMBER),
        message("old", 60 * 24 * 31),
    )
    own.post(
        "/v1/conversions",
        json={"conversions": [{"message_id": f"m{n}", "delivered": True} for n in range(20)]},
    )
    attempts = sdk.verify.v2.verification_attempts

    def ids(**filters: Any) -> list[str]:  # noqa: ANN401 - as the SDK has it
        return [each.channel_data["message_id"] for each in attempts.list(**filters)]

    everything = [f"m{number}" for number in range(count)]
    assert ids() == [VE, *reversed(everything)]
    assert ids(page_size=1000, limit=7) == [VE, *reversed(everything)][:7]
    assert ids(status="converted") == [f"m{number}" for number in range(19, -1, -1)]
    assert set(ids(country="FR")) == set(everything[::2])
    assert set(ids(channel="call")) == set(everything[1::3])
    assert set(ids(channel="rbm", verify_service_sid=VA)) == {
        f"m{n}" for n in range(count) if n % 3 == 2 and n % 5 == 0
    }
    assert ids(verification_sid=VE) == [VE]
    assert set(ids(channel_data_to=NUMBER)) == {VE, *everything[1::2]}
    assert ids(channel_data_to=NUMBER, page_size=20) == ids(channel_data_to=NUMBER)
    assert ids(date_created_before=at(minutes_ago(30 * 24 * 60))) == ["old"]
    assert ids(date_created_after=at(minutes_ago(1))) == []
    one = attempts(sid_of("m3")).fetch()
    assert one.conversion_status == "converted"
    assert (one.sid, one.channel, one.price) == (sid_of("m3"), "sms", None)
    assert one.channel_data == {
        "message_id": "m3",
        "country": "DE",
        "carrier": one.channel_data["carrier"],
        "number_range": NUMBER[:-4],
    }
    assert one.date_created == datetime.fromisoformat(
        iso_8601(own.get("/v1/messages/m3").json()["requested_at"])
    )


def test_a_summary_is_the_sum_of_the_list(sdk: Client, own: httpx.Client) -> None:
    request(
        own, *(message(f"m{n}", to=NUMBER if n % 3 else OTHER, sender=VA if n % 2 else "") for n in range(30))
    )
    own.post(
        "/v1/conversions",
        json={"conversions": [{"message_id": f"m{n}", "delivered": True} for n in range(7)]},
    )
    summary, attempts = sdk.verify.v2.verification_attempts_summary(), sdk.verify.v2.verification_attempts
    for filters in ({}, {"country": "DE"}, {"channel": "sms"}, {"verify_service_sid": VA}, {"country": "AT"}):
        found = summary.fetch(**filters)
        listed = attempts.list(**filters)
        converted = sum(each.conversion_status == "converted" for each in listed)
        assert (found.total_attempts, found.total_converted) == (len(listed), converted)
        assert found.total_unconverted == len(listed) - converted
        share = round(100 * converted / len(listed), 2) if listed else None
        assert found.conversion_rate_percentage == share
    for prefix, expected in (("+49", 20), ("33", 10), ("+49151", 20), ("+1", 0)):
        assert summary.fetch(destination_prefix=prefix).total_attempts == expected


def test_a_search_by_number_needs_its_permission_and_is_audited(
    server: LocalServer, key: AccessKey, make_key: Callable[..., AccessKey]
) -> None:
    reader = make_key("OtpconvReadOnly", key.account_name)
    limited = redirected(server, reader.access_key_id, reader.secret).verify.v2.verification_attempts
    assert limited.list() == []
    with pytest.raises(
        TwilioException, match="may not do otpconv:FindMessages"
    ):  # as it raises those of lists
        limited.list(channel_data_to=NUMBER)
    redirected(server, key.access_key_id, key.secret).verify.v2.verification_attempts.list(
        channel_data_to=NUMBER
    )
    lines = audited(server.data)
    ours = [line for line in lines if line.get("who") == key.access_key_id]
    assert [(line["what"], line["subject"]) for line in ours] == [
        ("twilio:ListVerificationAttempts", "0 messages")
    ]
    assert NUMBER not in json.dumps(ours)


def test_links_lead_to_the_server_as_the_client_reached_it(server: LocalServer, own: httpx.Client) -> None:
    request(own, message("a"), message("b"))
    for host, base in (("otp.example:8443", "http://otp.example:8443"), ("x y", server.url)):
        answer = own.get("/v2/Attempts?PageSize=1", headers={"host": host}).json()
        following = answer["meta"]["next_page_url"]
        assert following.startswith(f"{base}/v2/Attempts?PageSize=1&Page=1&PageToken=")
        assert answer["attempts"][0]["url"] == f"{base}/v2/Attempts/{sid_of('b')}"


def test_the_sdk_of_node_reports_and_reads(node: Calls, own: httpx.Client) -> None:
    request(own, message(SM, to=NUMBER), message(VE, to=OTHER), *(message(f"m{n}") for n in range(60)))
    confirmed, empty, approved, listed, summary, sent, wrong, unknown = node(
        {"call": "feedback", "given": {"sid": SM, "outcome": "confirmed"}},
        {"call": "feedback", "given": {"sid": "m1"}},
        {"call": "update", "given": {"sid": VE, "status": "approved"}},
        {"call": "list"},
        {"call": "summary", "given": {"country": "DE"}},
        {"call": "send"},
        {"call": "summary", "secret": "wrong"},
        {"call": "one", "given": {"sid": "VL0"}},
    )
    assert (confirmed["outcome"], empty["outcome"], approved["status"]) == (
        "confirmed",
        "unconfirmed",
        "approved",
    )
    assert len(listed) == 62
    assert {
        each["channelData"]["message_id"] for each in listed if each["conversionStatus"] == "converted"
    } == {SM, VE}
    assert (summary["totalAttempts"], summary["conversionRatePercentage"]) == (1, 100.0)
    assert sent == {"error": ["RestException", 404, 20404]}
    assert wrong == {"error": ["RestException", 401, 20003]}
    assert unknown == {"error": ["RestException", 404, 20404]}

"""Profiles: what a vendor's file means without further options."""

import csv
import io
import json
from functools import partial
from pathlib import Path
from random import Random

import pytest

from cli.commands import client_of, otpconv
from cli.reading import Read, read
from otpconv.cli.importing.profile import load, names
from otpconv.cli.local_server import LocalServer
from otpconv.errors import Misconfigured

AT = "2026-11-20T10:00:00Z"
TWILIO = "From,To,Body,Status,SentDate,Sid,Direction,Price,PriceUnit"
WITH_CODE = ("Your code is 123456", "G-4821 is it", "Code: 123 456", "9876", "")
WITHOUT_CODE = ("Sale today!", "See you at 7", "Call 0123456789012")


def written(columns: str, rows: list[dict[str, str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns.split(","), delimiter=delimiter, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def ids(found: Read) -> list[str]:
    return [message["message_id"] for message in found.messages]


@pytest.mark.parametrize("seed", range(30))
def test_a_twilio_log_gives_the_codes_that_were_sent_and_nothing_else(seed: int) -> None:
    random = Random(seed)
    rows, sent = [], []
    for number in range(60):
        direction = random.choice(["outbound-api", "outbound-api", "inbound", "outbound-reply"])
        status = random.choice(["delivered", "Failed", "undelivered", "canceled", "scheduled", "read"])
        text = random.choice(WITH_CODE + WITHOUT_CODE)
        sid = f"SM{number:032x}"
        rows.append(
            {"From": "+15005550006", "To": "+4915112345678", "Body": text, "Status": status, "SentDate": AT}
            | {
                "Sid": sid,
                "Direction": direction,
                "Price": random.choice(["-0.0079", "", "0"]),
                "PriceUnit": "USD",
            }
        )
        if direction == "outbound-api" and status not in {"canceled", "scheduled"} and text in WITH_CODE:
            sent.append(sid)
    found = read(written(TWILIO, rows, random.choice(",;\t")), profile="twilio-log")
    assert (ids(found), found.rejects, found.left_out) == (sent, {}, 60 - len(sent))
    assert {(m["provider"], m["sender"]) for m in found.messages} <= {("twilio", "+15005550006")}
    prices = {row["Sid"]: row["Price"].removeprefix("-") for row in rows}
    assert [m.get("price", "") for m in found.messages] == [prices[sid] for sid in sent]
    assert all(("currency" in m) == ("price" in m) for m in found.messages)


@pytest.mark.parametrize("seed", range(10))
def test_attempts_of_twilio_verify_are_messages_and_only_converted_ones_are_conversions(seed: int) -> None:
    random = Random(seed)
    lines, converted = [], []
    for number in range(20):
        status = random.choice(["converted", "unconverted", "CONVERTED"])
        sid = f"VL{number:032x}"
        attempt = {"sid": sid, "verification_sid": f"VE{number % 5:032x}", "conversion_status": status}
        attempt |= {"date_created": AT, "date_updated": "2026-11-20T10:00:09Z", "channel": "sms"}
        data = {"to": "+4915112345678", "country": "DE", "carrier": {"mcc": "262", "mnc": "01"}}
        lines.append(
            json.dumps(attempt | {"channel_data": data, "price": {"value": "0.05", "currency": "usd"}})
        )
        if status.lower() == "converted":
            converted.append(sid)
    found = read("\n".join(lines), profile="twilio-attempts")
    assert (len(found.messages), found.rejects) == (20, {})
    assert {message["country"] for message in found.messages} == {"DE"}
    assert {(message["price"], message["currency"]) for message in found.messages} == {("0.05", "usd")}
    assert [c["message_id"] for c in found.conversions if c["delivered"]] == converted
    assert len(found.conversions) == len(converted)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_records_of_alibaba_are_read_in_each_encoding_and_in_their_time_zone(encoding: str) -> None:
    text = (
        "回执ID,接收号码,发送时间,短信签名,模板CODE,运营商,发送状态\n"
        "30090000^0,13800138000,2026-11-20 18:00:00,测试,SMS_1,中国移动,发送成功\n"
    )
    found = read(text.encode(encoding), profile="alibaba-console")
    assert found.messages == [
        {"message_id": "30090000^0", "requested_at": 1795168800000, "to": "+8613800138000"}
        | {"sender": "测试", "template": "SMS_1", "provider": "alibaba"}
    ]


@pytest.mark.parametrize(("levels", "read_as"), [(1, 1), (3, 1), (4, 0)])
def test_nested_objects_are_columns_down_to_a_depth(levels: int, read_as: int) -> None:
    value: object = "m-1"
    for _ in range(levels):
        value = {"x": value}
    found = read(json.dumps({"a": value, "requested_at": AT}), mapped=(f"message_id=a{'.x' * levels}",))
    assert sum("message_id" in message for message in found.messages) == read_as


def test_only_transactional_messages_of_a_usage_report_are_otps() -> None:
    columns = "PublishTimeUTC,MessageId,DestinationPhoneNumber,MessageType,DeliveryStatus,PriceInUSD"
    rows = [
        {
            "PublishTimeUTC": AT,
            "MessageId": f"m{n}",
            "DestinationPhoneNumber": "12025550100",
            "MessageType": t,
            "PriceInUSD": "0.00645",
        }
        for n, t in enumerate(["Transactional", "Promotional", "transactional"])
    ]
    found = read(written(columns, rows), profile="sns-usage")
    assert ids(found) == ["m0", "m2"]
    assert {(m["price"], m["currency"]) for m in found.messages} == {("0.00645", "USD")}
    without = columns.removesuffix(",PriceInUSD")
    found = read(f"{without}\n{AT},m,12025550100,Transactional,x", profile="sns-usage")
    assert [("currency" in m, "price" in m) for m in found.messages] == [(False, False)]


@pytest.mark.parametrize(("text", "sent"), [("Your code: 4821", 1), ("Hello", 0), (None, 1)])
def test_a_vonage_report_may_come_with_and_without_texts(text: str | None, sent: int) -> None:
    row = {"message_id": "0A1", "direction": "outbound", "from": "Acme", "to": "4915112345678"}
    row |= {"country": "DE", "date_received": "2026-11-20T10:00:00+0000", "status": "delivered"}
    columns = "message_id,direction,from,to,country,date_received,status"
    if text is not None:
        row["message_body"], columns = text, f"{columns},message_body"
    found = read(written(columns, [row, row | {"direction": "inbound"}]), profile="vonage-report")
    assert (len(found.messages), found.left_out) == (sent, 2 - sent)


def test_feedback_of_didit_are_conversions() -> None:
    lines = [
        json.dumps({"message_id": "a", "outcome": outcome, "occurred_at": AT})
        for outcome in ("converted", "not_converted")
    ]
    found = read("\n".join(lines), profile="didit")
    assert [c["delivered"] for c in found.conversions] == [True, False]
    assert found.messages == []


def test_options_replace_what_the_profile_says() -> None:
    rows = [
        {
            "From": "Acme",
            "To": "+4915112345678",
            "Body": "1234",
            "Status": "sent",
            "SentDate": AT,
            "Sid": "SM1",
        }
        | {"Direction": "outbound-reply"}
    ]
    found = read(
        written(TWILIO, rows), profile="twilio-log", only=("Direction=outbound-reply",),
        constants=("provider=twilio-2",), mapped=("template=From",),
    )  # fmt: skip
    assert [(m["provider"], m["template"]) for m in found.messages] == [("twilio-2", "Acme")]


def test_a_file_of_another_kind_names_the_profile_and_the_columns() -> None:
    with pytest.raises(Misconfigured, match="--map or --from twilio-log names the column 'Sid'"):
        read(f"message_id,requested_at\na,{AT}\n", profile="twilio-log")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("title = ", "is not a profile"),
        ("[columns]\nmessage_id = 'a'", "is not a profile"),
        ("title = 't'\nnope = 1", "nope"),
        ("title = 't'\n[rows.only]\nkind = ['']", "is not a profile"),
        ("title = 't'\n[columns]\nnope = 'a'", "there is no field 'nope'"),
        ("title = 't'\n[rows.contain]\nBody = '('", "not a regular expression"),
        (f"title = 't'\n[rows.contain]\nBody = '{'a' * 1_001}'", "more than 1,000 characters"),
        (f"title = '{'t' * 65_536}'", "more than 65,536 bytes"),
    ],
)
def test_a_malformed_profile_is_refused_with_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=problem):
        load(str(path))


def test_an_unknown_profile_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=", ".join(names())):
        load("twillio-log")
    with pytest.raises(Misconfigured, match="can't be read"):
        load(str(tmp_path / "none.toml"))


def test_a_profile_of_ones_own_is_imported_into_a_server(server: LocalServer, tmp_path: Path) -> None:
    run = partial(otpconv, **client_of(server))
    profile, file = tmp_path / "mine.toml", tmp_path / "log.csv"
    profile.write_text(
        "title = 'our gateway'\ntz = 'Europe/Berlin'\n"
        "[columns]\nmessage_id = 'ref'\nrequested_at = 'at'\ndelivered = 'state'\n"
        "[constants]\nprovider = 'own-profile'\n[rows.only]\nkind = ['otp']\n"
        "[delivered]\ntrue = ['entered']\nunknown = ['open']\n"
    )
    file.write_text(
        "ref,at,kind,state\n"
        "own-1,2026-11-20 11:00:00,otp,entered\nown-2,2026-11-20 11:00:01,otp,open\n"
        "own-3,2026-11-20 11:00:02,ad,open\n"
    )
    done = json.loads(run("import", str(file), "--from", str(profile), "--json").stdout)
    assert (done["rows"], done["left_out"], done["recorded"], done["rejected"]) == (3, 1, 3, 0)
    period = ("--start", "2026-11-20", "--end", "2026-11-21")
    rates = run("rates", "--by", "provider", "--where", "provider=own-profile", *period, "--json")
    assert [(row["requested"], row["verified"]) for row in json.loads(rates.stdout)["rows"]] == [(2, 1)]


def test_the_list_of_profiles_says_what_each_file_is() -> None:
    listed = json.loads(otpconv("import", "--list-profiles", "--json").stdout)
    assert [profile["profile"] for profile in listed] == names()
    assert all(profile["file"] == load(profile["profile"]).title for profile in listed)
    assert "twilio-log" in otpconv("import", "--list-profiles").stdout
    assert "FILE" in otpconv("import").stderr


@pytest.mark.parametrize(
    ("given", "read_as"),
    [("-0.00790", "0.0079"), ("0", "0"), (7.5e-05, "0.000075"), (3, "3"), ("100", "100"), ("-0.0", "0")],
)
def test_a_price_is_read_as_vendors_write_it(given: object, read_as: str) -> None:
    row = {"message_id": "a", "requested_at": AT, "price": given, "currency": "EUR"}
    (message,) = read(json.dumps(row)).messages
    assert (message["price"], message["currency"]) == (read_as, "EUR")


@pytest.mark.parametrize("given", ["free", "1,5", "inf", "1e99", "0x1", True, "9" * 50])
def test_what_is_not_a_price_rejects_its_row(given: object) -> None:
    row = {"message_id": "a", "requested_at": AT, "price": given, "currency": "EUR"}
    found = read(json.dumps(row))
    assert found.messages == []
    assert "price" in found.rejects[1]

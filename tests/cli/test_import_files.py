"""Files as vendors, spreadsheets and databases write them: any dialect, encoding and line end."""

import csv
import gzip
import io
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from cli.reading import read
from otpconv.cli.importing.lines import MAX_LINE_CHARS
from otpconv.cli.importing.records import REQUESTED_NOW
from otpconv.cli.importing.run import Table
from otpconv.cli.importing.spreadsheet import UNPOINTED
from otpconv.cli.importing.times import ASSUMED_UTC
from otpconv.errors import Misconfigured

AT = "2026-11-20T10:00:00Z"
ALIBABA = (
    "回执ID,接收号码,发送时间,短信签名,模板CODE,运营商,发送状态\n"
    "300900001111222233^0,8613800138000,2026-11-20 18:00:00,测试,SMS_100000001,中国移动,发送成功\n"
)
TWILIO = (
    "From,To,Body,Status,SentDate,ApiVersion,NumSegments,ErrorCode,AccountSid,Sid,Direction,Price,PriceUnit\n"
    '+15005550006,+12025550123,"Your code is 123456\nDo not share it",delivered,2026-01-24 22:01:45 PDT'
    ",2010-04-01,1,,AC01,SM01,outbound-api,-0.0079,USD\n"
    "+15005550006,whatsapp:+4915112345678,Your code is 222333,delivered,2026-01-24T22:02:45-07:00,2010-04-01"
    ",1,,AC01,SM02,outbound-api,-0.0079,USD\n"
    "+12025550123,+15005550006,STOP,received,2026-01-24T22:03:45-07:00,2010-04-01,1,,AC01,SM03,inbound,-0.0079,USD\n"
    '+15005550006,+4915112345679,Your code is 222334,delivered,"Thu, 24 Jan 2026 05:01:45 +0000",2010-04-01'
    ",1,,AC01,SM04,outbound-api,-0.0079,USD\n"
)
SNS = (
    "PublishTimeUTC,MessageId,DestinationPhoneNumber,MessageType,DeliveryStatus,PriceInUSD,PartNumber,TotalParts\n"
    "2026-01-10T03:00:29.476Z,11a298ac-1,12025550100,Transactional,Message has been accepted,0.00645,1,2\n"
    "2026-01-10T03:00:29.476Z,11a298ac-1,12025550100,Transactional,Message has been accepted,0.00645,2,2\n"
    "2026-01-10T03:00:30.769Z,11a298ac-2,+4915112345678,Promotional,Phone is unreachable,0.07,0,1\n"
)
#: Columns in files beside ours.
CELLS = st.text(
    st.characters(codec="gb18030", exclude_characters="\0", exclude_categories=["Cs"]), max_size=12
)
TABLES = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5)


def written(rows: list[tuple[str, str]], delimiter: str, end: str) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["Price, EUR; net", "MsgId", "Sent", "template", "", ""])
    writer.writerows([price, f"m{n}", AT, template, "", ""] for n, (price, template) in enumerate(rows))
    return text.getvalue()


@given(
    TABLES,
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk"]),
    st.booleans(),
)
def test_every_dialect_line_end_encoding_and_compression_reads_the_same(
    rows: list[tuple[str, str]],
    delimiter: str,
    end: str,
    encoding: str,
    packed: bool,  # noqa: FBT001
) -> None:
    data = written(rows, delimiter, end).encode("gb18030" if encoding == "gbk" else encoding)
    found = read(gzip.compress(data) if packed else data, encoding=encoding if "gb" in encoding else None)
    assert found.rejects == {}
    assert [message["message_id"] for message in found.messages] == [f"m{n}" for n in range(len(rows))]
    templates = [message.get("template", "") for message in found.messages]
    for template, (_, original) in zip(templates, rows, strict=True):
        # An apostrophe before what a spreadsheet would change, and a formula around a text, are quotes.
        assert template == original or original[:1] in {"'", "="} or not original.strip()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_excel_writes_before_the_header_names_the_delimiter(end: str) -> None:
    found = read(f"sep=;{end}MsgId;Sent;To{end}de-3;{AT};+4915112345678{end}")
    assert found.messages[0]["to"] == "+4915112345678"
    assert found.columns == {"message_id": "MsgId", "requested_at": "Sent", "to": "To"}


def test_the_delimiter_is_the_one_that_splits_the_header_most() -> None:
    data = f'MsgId;Sent;To;"Price, EUR"\r\nde-1;{AT};+4915112345678;0,07\r\n'
    assert len(read(data).messages) == 1
    assert len(read(data.replace(";", "~"), delimiter="~").messages) == 1
    with pytest.raises(Misconfigured, match="--delimiter"):
        read(data.replace(";", "~"))


def test_columns_without_a_name_and_empty_values_at_the_end_are_left_out() -> None:
    rows = "".join(f"de-{n},{AT},+4915112345678{',' * n}\n" for n in range(6))
    data = f"MsgId,Sent,To,,\n{rows}"
    assert len(read(data).messages) == 6


def test_a_row_whose_values_may_be_in_other_columns_is_refused() -> None:
    found = read(f"MsgId,Sent,To,Body\nde-1,{AT}\nde-2,{AT},+4915112345678,Hi, you\nde-3,{AT},+49151,x\n")
    assert list(found.rejects) == [2, 3]
    assert "the header has 4 columns" in found.rejects[2]


def test_line_ends_may_be_mixed_and_line_breaks_may_be_quoted() -> None:
    found = read(f'MsgId,Sent,template\r\na,{AT},"x\ny"\rb,{AT},"x\r\ny"\nc,{AT},z')
    assert [message["template"] for message in found.messages] == ["x\ny", "x\r\ny", "z"]


@pytest.mark.parametrize(
    "head", ["SMS report\n\n", "Report;;\nFrom,2026-11-01,To,2026-11-30\n\n", "\n\n \n", 'The 5" report\n']
)
def test_what_stands_before_the_header_is_left_out(head: str) -> None:
    found = read(f"{head}Message ID,Sent Date (UTC),To,Price\nm,2026-11-20 10:00:00,+4915112345678,1\n")
    assert (len(found.messages), found.rejects, found.notes) == (1, {}, [])


def test_a_file_without_a_known_header_names_the_option() -> None:
    with pytest.raises(Misconfigured, match="--map message_id=COLUMN"):
        read("SMS report\n\nwhat,when\nm,2026\n")
    found = read(f"SMS report\n\nwhat,when\nm,{AT}\n", mapped=("message_id=what", "requested_at=when"))
    assert len(found.messages) == 1
    with pytest.raises(Misconfigured, match="requested_at=COLUMN"):
        read("message_id,when\nm,2026\n")
    with pytest.raises(Misconfigured, match="--map 'message_id=Sid'"):
        read(f"Sid,MsgId,Sent\na,b,{AT}\n")
    for empty in ("", "\n\n", "sep=;\n"):
        with pytest.raises(Misconfigured):
            read(empty)


def test_bytes_of_another_encoding_are_refused_with_the_line_and_the_encoding_to_try() -> None:
    with pytest.raises(Misconfigured, match="--encoding gb18030"):
        read(ALIBABA.encode("gb18030"))
    assert read(ALIBABA.encode("gb18030"), encoding="gbk").messages[0]["sender"] == "测试"
    found = read(
        f"message_id,requested_at,template\na,{AT},x\nb,{AT},Zürich\nc,{AT},测试\n".encode(
            "cp1252", "replace"
        )
    )
    assert list(found.rejects) == [3]
    assert (
        "line 3 holds the byte 0xFC, which is not UTF-8: give --encoding, e.g. --encoding cp1252"
        in found.rejects[3]
    )
    chinese = read(f"message_id,requested_at,template\na,{AT},x\nb,{AT},测试\n".encode("gbk"))
    assert "--encoding gb18030" in chinese.rejects[3]


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (ALIBABA.encode("utf-16-le"), "--encoding utf-16-le"),
        (b"PK\x03\x04rest", "save it as CSV"),
        (b"\xd0\xcf\x11\xe0rest", "save it as CSV"),
        (b"\x28\xb5\x2f\xfdrest", "zstd -dc FILE | otpconv import -"),
        (b"<html><table>", "export it as CSV"),
        (gzip.compress(ALIBABA.encode())[:-20], "get the file again"),
        (b'[\n{"message_id": "a"}\n]\n', r"jq -c '\.\[\]' FILE | otpconv import -"),
    ],
)
def test_what_can_not_be_read_is_refused_with_what_to_do(data: bytes, advice: str) -> None:
    with pytest.raises(Misconfigured, match=advice.replace("|", r"\|")):
        read(data)


@pytest.mark.parametrize("encoding", ["hex", "nope", "utf-16\x00"])
def test_an_encoding_that_does_not_exist_is_refused(encoding: str) -> None:
    with pytest.raises(Misconfigured, match="does not exist"):
        read("message_id\na\n", encoding=encoding)


def test_a_byte_order_mark_contradicts_another_encoding() -> None:
    with pytest.raises(Misconfigured, match="Leave --encoding out"):
        read(ALIBABA.encode("utf-8-sig"), encoding="gbk")
    assert read(ALIBABA.encode("utf-8-sig"), encoding="utf-8").messages != []


class Endless(io.RawIOBase):
    """A file with one endless line, which counts the bytes read from it."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        count = min(len(buffer), self.left)
        buffer[:count] = b"x" * count
        self.left -= count
        return count


def test_a_line_without_an_end_is_never_held_in_memory() -> None:
    head = f"message_id,requested_at\na,{AT}\n".encode()

    class Joined(Endless):
        def readinto(self, buffer: Any) -> int:  # noqa: ANN401
            nonlocal head
            if head:
                count = min(len(buffer), len(head))
                buffer[:count], head = head[:count], head[count:]
                return count
            return super().readinto(buffer)

    rows = list(Table(None, None, None, {}).open(io.BufferedReader(Joined(64 * 1024 * 1024)))[2])
    assert [row.problem is None for row in rows] == [True, False]
    assert len(str(rows[1].original)) < MAX_LINE_CHARS
    with pytest.raises(Misconfigured):
        Table("csv", None, None, {}).open(io.BufferedReader(Endless(64 * 1024 * 1024)))


def test_a_twilio_log_counts_outbound_messages_only_and_a_receipt_is_no_conversion() -> None:
    found = read(TWILIO)
    assert [message["message_id"] for message in found.messages] == ["SM01", "SM02", "SM04"]
    assert found.conversions == []
    assert "--only Direction=outbound-api" in found.rejects[5]
    assert "sender" not in found.messages[0]  # an inbound row has the user's number there
    kept = read(TWILIO, only=("Direction=Outbound-API", "Direction=outbound-reply", "Status=delivered"))
    assert (len(kept.messages), kept.rejects, kept.left_out) == (3, {}, 1)


def test_a_usage_report_of_sns_has_a_row_for_each_part_of_a_message() -> None:
    found = read(gzip.compress(SNS.encode()))
    first, second, third = found.messages
    assert first == second != third
    assert found.notes == []
    assert read(SNS, only=("MessageType=Transactional",)).left_out == 1


def test_the_console_of_alibaba_is_read_in_chinese_and_in_its_zone() -> None:
    [message] = read(ALIBABA, tz="Asia/Shanghai").messages
    assert message == {
        "message_id": "300900001111222233^0",
        "requested_at": 1795168800000,
        "to": "8613800138000",
        "template": "SMS_100000001",
        "sender": "测试",
    }
    assert read(ALIBABA).notes == [ASSUMED_UTC]


def test_samples_of_the_field_are_read() -> None:
    apostrophes = read(f'MsgId,Sent,To\nde-13,{AT},\'+4915112345678\nde-14,{AT},"=""+4915112345678"""\n')
    assert {message["to"] for message in apostrophes.messages} == {"+4915112345678"}
    floats = read(f"message_id,requested_at,to,provider\n1008030399.0,{AT},4915112349999.0,fl\n")
    assert floats.messages[0] | {"requested_at": 0} == {
        "message_id": "1008030399",
        "requested_at": 0,
        "to": "4915112349999",
        "provider": "fl",
    }
    assert floats.notes == [UNPOINTED] * 2
    statuses = read(f"message_id,requested_at,to,provider,delivered\nso-0,{AT},+4915112000000,so,false\n")
    assert statuses.conversions[0]["delivered"] is False
    half_hours = read(
        "message_id,requested_at,to,provider\nhh-1,2026-11-10T23:45:00+05:30,+919812345678,hh\n"
    )
    assert half_hours.messages[0]["requested_at"] == 1794334500000


WORDS = {"true": True, "YES": True, "1": True, "1.0": True, "False": False, "no": False, "0": False}


def test_words_of_a_status_are_given_in_any_case_and_others_are_refused() -> None:
    for word, truth in WORDS.items():
        [one] = read(f"message_id,delivered\na,{word}\n").conversions
        assert one["delivered"] is truth
    data = (
        "message_id,Status,verified_at\na,Approved,1795212000\nb,EXPIRED,1795212000\nc,pending,1795212000\n"
    )
    found = read(data, mapped=("delivered=Status",), true=("approved",), false=("expired", "canceled"))
    assert [one["delivered"] for one in found.conversions] == [True, False]
    assert "--true WORD" in found.rejects[4]
    with pytest.raises(Misconfigured, match="both name"):
        read(data, true=("a",), false=("A",))
    # A receipt of delivery is not a conversion: no vendor's column of that name is taken for one.
    assert read(f"MsgId,Sent,Delivered\na,{AT},true\n").conversions == []


def test_rows_of_json_are_read_by_the_same_names() -> None:
    twilio = {
        "sid": "SM1",
        "to": "+4915112345678",
        "date_sent": "Fri, 20 Nov 2026 22:00:00 +0000",
        "status": "sent",
    }
    ours = {"message_id": "b", "requested_at": 1795212000000.0, "delivered": True}
    found = read("\n".join(map(json.dumps, (twilio, ours, {"message_id": "c", "provider": "x"}, [1]))))
    assert [message["message_id"] for message in found.messages] == ["SM1", "b", "c"]
    assert [message.get("requested_at") for message in found.messages] == [1795212000000, 1795212000000, None]
    assert found.notes == [REQUESTED_NOW]
    assert list(found.rejects) == [4]


def test_a_column_that_an_option_names_must_be_there() -> None:
    for options in ({"only": ("Nope=1",)}, {"mapped": ("to=Nope",)}):
        with pytest.raises(Misconfigured, match="'Nope', which is not in the file; its columns are"):
            read(TWILIO, **options)  # type: ignore[arg-type]
    with pytest.raises(Misconfigured, match="twice"):
        read(f"message_id,requested_at,message_id\na,{AT},b\n")
    assert len(read(f"message_id,requested_at,note,note\na,{AT},1,2\n").messages) == 1

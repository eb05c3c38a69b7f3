"""What the parameters of each operation become, and the code each wrong one is refused with."""

import pytest
from hypothesis import given, strategies as st
from msgspec import structs

from otpconv.dialects.alibaba import ACTIONS, Call, GatewayError, read_report
from otpconv.errors import InvalidNumber, InvalidTime
from otpconv.model import Conversion, SelfReportedRate, Timing

NOW = 1_800_000_000_000
ACCOUNT = 7
GIVEN = {"MessageId": "1008030300", "Delivered": "true"}
THEN = Conversion(
    account=ACCOUNT, delivered=True, conversion_time=NOW, message_id="1008030300", timing=Timing.ARRIVAL
)


def call_of(action: str, parameters: dict[str, str]) -> Call:
    version = "2017-05-25" if action.endswith("Intl") else "2018-05-01"
    return Call(action, version, "testid", "nonce", NOW, False, parameters, "HMAC-SHA1", b"", b"")


def number_hash(account: int, e164: str) -> str:
    return f"{account} {e164}"


def reported(action: str, parameters: dict[str, str]) -> Conversion | SelfReportedRate:
    return read_report(call_of(action, parameters), ACCOUNT, NOW, number_hash)


@pytest.mark.parametrize("action", ["SmsConversion", "SmsConversionIntl"])
@pytest.mark.parametrize(
    ("changes", "differences"),
    [
        ({}, {}),
        ({"Delivered": "True"}, {}),
        ({"Delivered": "tRUE"}, {}),
        ({"Delivered": "False"}, {"delivered": False}),
        ({"Delivered": "false"}, {"delivered": False}),
        ({"ConversionTime": "1349055900000"}, {"conversion_time": 1349055900000, "timing": Timing.GIVEN}),
        ({"ConversionTime": "0"}, {"conversion_time": 0, "timing": Timing.GIVEN}),
        ({"ConversionTime": ""}, {}),
        ({"ConversionTime": str(NOW + 60_000)}, {"conversion_time": NOW + 60_000, "timing": Timing.GIVEN}),
        ({"MessageId": "a_b:c/d.e-F9"}, {"message_id": "a_b:c/d.e-F9"}),
        ({"MessageId": "x" * 255}, {"message_id": "x" * 255}),
        ({"MessageId": "262900001111222233^0"}, {"message_id": "262900001111222233^0"}),
        ({"MessageId": '["5"]'}, {"message_id": '["5"]'}),
        ({"To": "", "OwnerId": "5", "Whatever": "é"}, {}),
    ],
)
def test_a_conversion_says_what_its_parameters_say(
    action: str, changes: dict[str, str], differences: dict[str, object]
) -> None:
    assert reported(action, {**GIVEN, **changes}) == structs.replace(THEN, **differences)


@pytest.mark.parametrize("action", ["SmsConversion", "SmsConversionIntl"])
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Delivered": ""}, "MissingDelivered"),
        ({"Delivered": "1"}, "InvalidDelivered"),
        ({"Delivered": "yes"}, "InvalidDelivered"),
        ({"Delivered": " true"}, "InvalidDelivered"),
        ({"Delivered": "\uff54rue"}, "InvalidDelivered"),
        ({"MessageId": ""}, "MissingMessageId"),
        ({"MessageId": "x" * 256}, "InvalidMessageId"),
        ({"MessageId": "1008030300\u2028"}, "InvalidMessageId"),
        ({"MessageId": "1008 030300"}, "InvalidMessageId"),
        ({"MessageId": "é"}, "InvalidMessageId"),
        ({"MessageId": "\u0663"}, "InvalidMessageId"),
        ({"ConversionTime": "-1"}, "InvalidConversionTime"),
        ({"ConversionTime": "+1"}, "InvalidConversionTime"),
        ({"ConversionTime": "1e3"}, "InvalidConversionTime"),
        ({"ConversionTime": "1.0"}, "InvalidConversionTime"),
        ({"ConversionTime": "1_000"}, "InvalidConversionTime"),
        ({"ConversionTime": " 1"}, "InvalidConversionTime"),
        ({"ConversionTime": "\u0663"}, "InvalidConversionTime"),
        ({"ConversionTime": "2024-04-19T12:46:24Z"}, "InvalidConversionTime"),
        ({"ConversionTime": "9" * 20}, "InvalidConversionTime"),
        ({"ConversionTime": "9" * 5000}, "InvalidConversionTime"),
    ],
)
def test_a_conversion_with_a_wrong_parameter_is_refused_with_its_code(
    action: str, changes: dict[str, str], code: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        reported(action, {**GIVEN, **changes})
    assert (caught.value.code, caught.value.status) == (code, 400)


def test_absent_is_as_missing_as_blank() -> None:
    with pytest.raises(GatewayError) as without_delivered:
        reported("SmsConversion", {"MessageId": "5"})
    with pytest.raises(GatewayError) as without_message:
        reported("SmsConversion", {"Delivered": "true"})
    assert without_delivered.value.code == "MissingDelivered"
    assert without_message.value.code == "MissingMessageId"


@pytest.mark.parametrize("time", [NOW + 60_001, 9_999_999_999_999_999_999])
def test_a_time_in_the_future_is_refused_with_both_times(time: int) -> None:
    with pytest.raises(InvalidTime) as caught:
        reported("SmsConversion", {**GIVEN, "ConversionTime": str(time)})
    assert "ConversionTime" in caught.value.text
    assert str(time) in caught.value.text
    assert str(NOW) in caught.value.text


@pytest.mark.parametrize("message", [{}, {"MessageId": ""}, {"MessageId": "5"}])
@pytest.mark.parametrize("to", ["+8613800138000", "8613800138000"])
def test_a_number_is_kept_as_its_hash_alone(message: dict[str, str], to: str) -> None:
    assert reported("SmsConversion", {"Delivered": "true", "To": to, **message}) == structs.replace(
        THEN,
        message_id=message.get("MessageId", ""),
        number="7 +8613800138000",
        # Without an id the message is found by the time, which is now.
        timing=Timing.ARRIVAL if message.get("MessageId") else Timing.GIVEN,
    )


@pytest.mark.parametrize("to", ["12", "nobody", '["8613800138000"]', "8" * 5000, "é"])
def test_what_is_no_number_is_refused(to: str) -> None:
    with pytest.raises(InvalidNumber):
        reported("SmsConversion", {"Delivered": "true", "To": to})


def test_the_2017_operation_knows_no_numbers() -> None:
    with pytest.raises(GatewayError) as caught:
        reported("SmsConversionIntl", {"Delivered": "true", "To": "8613800138000"})
    assert caught.value.code == "MissingMessageId"
    assert reported("SmsConversionIntl", {**GIVEN, "To": "nobody"}) == THEN


@pytest.mark.parametrize("action", ["ConversionData", "ConversionDataIntl"])
@pytest.mark.parametrize(
    ("parameters", "rate"),
    [
        ({"ConversionRate": "0.53"}, SelfReportedRate(ACCOUNT, NOW, 0.53)),
        ({"ConversionRate": "0"}, SelfReportedRate(ACCOUNT, NOW, 0.0)),
        ({"ConversionRate": "1.000"}, SelfReportedRate(ACCOUNT, NOW, 1.0)),
        (
            {"ConversionRate": "0.5", "ReportTime": "1349055900000"},
            SelfReportedRate(ACCOUNT, 1349055900000, 0.5),
        ),
    ],
)
def test_a_self_reported_rate_says_what_its_parameters_say(
    action: str, parameters: dict[str, str], rate: SelfReportedRate
) -> None:
    assert reported(action, parameters) == rate


@pytest.mark.parametrize("action", ["ConversionData", "ConversionDataIntl"])
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "MissingConversionRate"),
        ({"ConversionRate": ""}, "MissingConversionRate"),
        ({"ConversionRate": "1.01"}, "InvalidConversionRate"),
        ({"ConversionRate": "-0.1"}, "InvalidConversionRate"),
        ({"ConversionRate": "nan"}, "InvalidConversionRate"),
        ({"ConversionRate": "53%"}, "InvalidConversionRate"),
        ({"ConversionRate": "1e-1"}, "InvalidConversionRate"),
        ({"ConversionRate": "\u0660"}, "InvalidConversionRate"),
        ({"ConversionRate": "0." + "0" * 5000}, "InvalidConversionRate"),
        ({"ConversionRate": "0.5", "ReportTime": "now"}, "InvalidReportTime"),
    ],
)
def test_a_wrong_self_reported_rate_is_refused_with_its_code(
    action: str, parameters: dict[str, str], code: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        reported(action, parameters)
    assert caught.value.code == code


parameters = st.sampled_from(
    ["MessageId", "Delivered", "ConversionTime", "To", "ConversionRate", "ReportTime"]
)
values = st.text() | st.sampled_from(["true", "8613800138000", "0.5", "1349055900000", "[]", "1e9"])


@given(st.sampled_from(ACTIONS), st.dictionaries(parameters, values))
def test_no_parameters_whatever_raise_anything_but_an_error_for_the_caller(
    action: tuple[str, str], given_: dict[str, str]
) -> None:
    try:
        read_report(call_of(action[1], given_), ACCOUNT, NOW, number_hash)
    except (GatewayError, InvalidTime, InvalidNumber) as error:
        assert error.text  # noqa: PT017

import pytest

from otpconv.access.keys import AccessKey
from otpconv.access.policies import MANAGED, authorize, require_known
from otpconv.errors import AccessDenied, InvalidRequest


def key(*policies: str) -> AccessKey:
    return AccessKey(
        access_key_id="LTAI",
        secret="s",  # noqa: S106 - not a secret
        user="app",
        account=7,
        account_name="default",
        policies=policies,
        active=True,
        created_at=0,
    )


@pytest.mark.parametrize(
    ("policy", "action", "allowed"),
    [
        ("AdministratorAccess", "dysms:SmsConversion", True),
        ("AdministratorAccess", "otpconv:QueryRates", True),
        ("AliyunDysmsFullAccess", "dysms:SmsConversion", True),
        ("AliyunDysmsFullAccess", "otpconv:QueryRates", False),
        ("AliyunDysmsFullAccess", "dysmsX:SmsConversion", False),
        ("AliyunDysmsReadOnlyAccess", "dysms:QueryMessage", True),
        ("AliyunDysmsReadOnlyAccess", "dysms:SmsConversion", False),
        ("AliyunDysmsReadOnlyAccess", "dysms:ConversionData", False),
        ("OtpconvReportOnly", "dysms:SmsConversion", True),
        ("OtpconvReportOnly", "DYSMS:smsconversion", True),
        ("OtpconvReportOnly", "dysms:SmsConversionIntl", True),
        ("OtpconvReportOnly", "dysms:SmsConversionOther", False),
        ("OtpconvReportOnly", "dysms:ConversionData", True),
        ("OtpconvReportOnly", "otpconv:RecordMessages", True),
        ("OtpconvReportOnly", "otpconv:RecordConversions", True),
        ("OtpconvReportOnly", "otpconv:QueryRates", False),
        ("OtpconvReportOnly", "otpconv:GetMessage", False),
        ("OtpconvReadOnly", "otpconv:GetMessage", True),
        ("OtpconvReadOnly", "otpconv:QueryRates", True),
        ("OtpconvReadOnly", "dysms:QueryMessage", True),
        ("OtpconvReadOnly", "otpconv:RecordMessages", False),
        ("OtpconvReadOnly", "dysms:SmsConversion", False),
        ("OtpconvReadOnly", "x-otpconv:GetMessage", False),
        ("OfANewerRelease", "otpconv:GetMessage", False),
    ],
)
def test_a_managed_policy_allows_its_actions_and_no_others(policy: str, action: str, allowed: bool) -> None:  # noqa: FBT001 - a column of the table
    if allowed:
        authorize(key(policy), action)
    else:
        with pytest.raises(AccessDenied):
            authorize(key(policy), action)


def test_without_a_policy_nothing_is_allowed() -> None:
    with pytest.raises(AccessDenied):
        authorize(key(), "dysms:QueryMessage")


def test_one_of_several_policies_is_enough() -> None:
    authorize(key("OtpconvReadOnly", "OtpconvReportOnly"), "dysms:SmsConversion")


def test_a_refusal_says_who_wanted_what() -> None:
    with pytest.raises(AccessDenied) as refusal:
        authorize(key("OtpconvReadOnly"), "dysms:SmsConversion")
    denied = refusal.value
    assert (denied.action, denied.user, denied.account) == ("dysms:SmsConversion", "app", 7)
    assert "The user app may not do dysms:SmsConversion" in denied.text


def test_an_unknown_policy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        require_known("adminaccess")
    assert all(name in refusal.value.text for name in MANAGED)
    for name in MANAGED:
        require_known(name)

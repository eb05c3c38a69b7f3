import json

import pytest

from otpconv.access.authorize import authorize
from otpconv.access.keys import AccessKey
from otpconv.access.policies.conditions import Context
from otpconv.access.policies.document import Document, parse_document
from otpconv.access.policies.evaluation import AttachedPolicy, global_keys
from otpconv.access.policies.grants import Grants
from otpconv.access.policies.managed import MANAGED
from otpconv.errors import AccessDenied

REPORT = "dysms:SmsConversion"


def document(effect: str, action: str = "*", **condition: dict[str, str]) -> Document:
    statement = {"Effect": effect, "Action": action, "Resource": "*", "Condition": condition}
    return parse_document(json.dumps({"Version": "1", "Statement": statement}))


def key(
    *policies: str, session: str | None = None, within: Document | None = None, **own: Document
) -> AccessKey:
    attached = [AttachedPolicy(name, text) for name, text in own.items()]
    attached += [AttachedPolicy(name, MANAGED[name]) for name in policies]
    return AccessKey(
        access_key_id="LTAI",
        secret="s",  # noqa: S106 - not a secret
        user="app",
        account=7,
        account_name="default",
        grants=Grants(tuple(attached), within),
        active=True,
        created_at=0,
        session_name=session,
    )


def from_ip(source_ip: str) -> Context:
    return global_keys(source_ip=source_ip, now=0, secure_transport=True, user_agent="")


def nobody_asks() -> Context:
    pytest.fail("the context of the request was asked for")


def refusal(caller: AccessKey, action: str = REPORT, source_ip: str = "192.0.2.1") -> AccessDenied:
    with pytest.raises(AccessDenied) as caught:
        authorize(caller, action, lambda: from_ip(source_ip))
    return caught.value


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
        ("OtpconvReadOnly", "dysms:QueryMessage", False),
        ("OtpconvReadOnly", "otpconv:RecordMessages", False),
        ("OtpconvReadOnly", "dysms:SmsConversion", False),
        ("OtpconvReadOnly", "x-otpconv:GetMessage", False),
    ],
)
def test_a_managed_policy_allows_its_actions_and_no_others(policy: str, action: str, allowed: bool) -> None:  # noqa: FBT001 - a column of the table
    if allowed:
        authorize(key(policy), action, nobody_asks)
    else:
        refusal(key(policy), action)


def test_without_a_policy_nothing_is_allowed() -> None:
    refusal(key(), "dysms:QueryMessage")


def test_one_of_several_policies_is_enough() -> None:
    authorize(key("OtpconvReadOnly", "OtpconvReportOnly"), REPORT, nobody_asks)


def test_a_decision_that_no_context_can_change_is_made_once() -> None:
    caller = key("OtpconvReportOnly")
    for _ in range(3):
        authorize(caller, REPORT, nobody_asks)
    first = caller.grants.decide(REPORT, nobody_asks)
    assert caller.grants.decide(REPORT, nobody_asks) is first


def test_a_condition_is_asked_of_every_request_anew() -> None:
    office = document("Allow", REPORT, IpAddress={"acs:SourceIp": "192.0.2.0/24"})
    caller = key(Office=office)
    for _ in range(2):
        authorize(caller, REPORT, lambda: from_ip("192.0.2.9"))
        refusal(caller, source_ip="198.51.100.9")


def test_what_is_kept_of_one_resource_does_not_count_for_another() -> None:
    own = {"Effect": "Allow", "Action": "dysms:*", "Resource": "acs:dysms:*:7:a"}
    caller = key(Own=parse_document(json.dumps({"Version": "1", "Statement": own})))
    authorize(caller, REPORT, nobody_asks, "acs:dysms:eu:7:a")
    with pytest.raises(AccessDenied):
        authorize(caller, REPORT, nobody_asks, "acs:dysms:eu:7:b")


def test_however_many_resources_are_asked_about_memory_stays_bounded() -> None:
    caller = key("AdministratorAccess")
    for number in range(1_000):
        authorize(caller, REPORT, nobody_asks, f"acs:dysms:eu:7:{number}")
    assert len(caller.grants._kept) == 256  # noqa: SLF001 - nothing else shows it


def test_an_implicit_refusal_says_who_wanted_what_and_what_lacks() -> None:
    denied = refusal(key("OtpconvReadOnly"))
    assert (denied.action, denied.display_name, denied.account) == (REPORT, "app", 7)
    assert (denied.principal_type, denied.kind) == ("SubUser", "ImplicitDeny")
    assert denied.policy_type == "AccountLevelIdentityBasedPolicy"
    assert denied.text.startswith("The user app may not do dysms:SmsConversion: no policy allows it; attach")


def test_an_explicit_refusal_names_the_policy_and_nothing_of_what_it_says() -> None:
    fence = document("Deny", "dysms:*", NotIpAddress={"acs:SourceIp": "203.0.113.0/24"})
    denied = refusal(key("AdministratorAccess", Fence=fence))
    assert (denied.kind, denied.policy_type) == ("ExplicitDeny", "AccountLevelIdentityBasedPolicy")
    assert "an explicit Deny in the policy Fence" in denied.text
    assert "203.0.113" not in denied.text


def test_the_session_of_a_role_is_refused_as_what_it_is() -> None:
    reading = document("Allow", "otpconv:Get*")
    denied = refusal(key("AdministratorAccess", session="alice", within=reading))
    assert (denied.principal_type, denied.display_name) == ("AssumedRoleUser", "app:alice")
    assert (denied.kind, denied.policy_type) == ("ImplicitDeny", "SessionPolicy")
    assert "the role's session app:alice may not do" in denied.text.replace("The", "the")
    assert "the session policy does not allow it" in denied.text


def test_a_session_policy_only_takes_away() -> None:
    everything = document("Allow")
    authorize(key("OtpconvReportOnly", session="alice", within=everything), REPORT, nobody_asks)
    denied = refusal(key("OtpconvReadOnly", session="alice", within=everything))
    assert denied.policy_type == "AccountLevelIdentityBasedPolicy"

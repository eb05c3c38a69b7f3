"""What policies allow: the table of policy_cases.json, and the laws that hold for all policies there are."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st
from msgspec import Struct, json as typed_json

from otpconv.access.policies.conditions import OPERATORS
from otpconv.access.policies.document import Document, parse_document
from otpconv.access.policies.evaluation import (
    AccessRequest,
    AttachedPolicy,
    Decision,
    decide,
    depends_on_context,
    explain_decision,
    global_keys,
)
from otpconv.access.policies.managed import MANAGED
from otpconv.errors import InvalidRequest

TABLE = Path(__file__).with_name("policy_cases.json")


class Case(Struct, forbid_unknown_fields=True, kw_only=True):
    says: str
    verdict: str
    by: str | None = None
    action: str | None = None
    resource: str | None = None
    context: dict[str, str | list[str] | None] = {}


class Group(Struct, forbid_unknown_fields=True):
    subject: str
    policies: dict[str, object]
    cases: list[Case]
    session: object = None


class Default(Struct, forbid_unknown_fields=True):
    action: str
    resource: str
    context: dict[str, str]


class Table(Struct, forbid_unknown_fields=True):
    about: str
    default: Default
    groups: list[Group]


TABLED = typed_json.decode(TABLE.read_bytes(), type=Table)


def rows() -> Iterator[object]:
    for group in TABLED.groups:
        for case in group.cases:
            yield pytest.param(group, case, id=f"{group.subject}: {case.says}")


def document(policy: object) -> Document:
    return parse_document(json.dumps(policy))


def attached(name: str, policy: object) -> AttachedPolicy:
    return AttachedPolicy(name, MANAGED[name] if policy is None else document(policy))


def requested(case: Case) -> AccessRequest:
    default = TABLED.default
    given: dict[str, str | list[str] | None] = {**default.context, **case.context}
    return AccessRequest(
        case.action or default.action,
        case.resource or default.resource,
        {
            key: value if isinstance(value, str) else tuple(value)
            for key, value in given.items()
            if value is not None
        },
    )


def named(decision: Decision) -> str | None:
    """Who decided, as the table has it."""
    who = "session" if decision.policy_type == "SessionPolicy" else decision.policy
    return who if decision.statement is None else f"{who}[{decision.statement}]"


@pytest.mark.parametrize(("group", "case"), list(rows()))
def test_the_table_of_cases(group: Group, case: Case) -> None:
    policies = [attached(name, policy) for name, policy in group.policies.items()]
    session = None if group.session is None else document(group.session)
    request = requested(case)

    decision = decide(policies, request, session)

    assert (decision.kind, named(decision)) == (case.verdict, case.by)
    assert decision.allowed is (case.verdict == "Allow")
    assert (decision.policy is None) is (case.by is None or case.by.startswith("session"))
    assert (decision.decided_by is None) is (case.verdict == "ImplicitDeny")
    if not depends_on_context(policies, request.action, session):
        bare = AccessRequest(request.action, request.resource)
        assert decide(policies, bare, session) == decision


@pytest.mark.parametrize("name", [*OPERATORS, *MANAGED])
def test_the_table_leaves_no_operator_and_no_managed_policy_out(name: str) -> None:
    assert f'"{name}": ' in TABLE.read_text(encoding="utf-8")


ACTIONS = ["dysms:SmsConversion", "dysms:QueryMessage", "otpconv:QueryRates"]
AGENTS = ["curl/8", "Reporter/1", ""]
RESOURCES = ["*", "acs:dysms:cn-hangzhou:7:template/1", "acs:otpconv:*:7:rates"]

conditions = st.fixed_dictionaries(
    {},
    optional={
        "StringLike": st.fixed_dictionaries(
            {"acs:UserAgent": st.sampled_from(["curl/*", "*/?", ["a", "*1"]])}
        ),
        "StringNotEquals": st.fixed_dictionaries({"acs:UserAgent": st.sampled_from([*AGENTS])}),
        "NotIpAddress": st.fixed_dictionaries({"acs:SourceIp": st.sampled_from(["10.0.0.0/8", "::/0"])}),
        "Bool": st.fixed_dictionaries({"acs:MFAPresent": st.sampled_from(["true", "false"])}),
    },
)
patterns = st.lists(st.sampled_from([*ACTIONS, "*", "dysms:*", "*:query*", "ecs:*"]), min_size=1, max_size=3)


@st.composite
def statements(draw: st.DrawFn, effect: str | None = None) -> dict[str, object]:
    return {
        "Effect": effect or draw(st.sampled_from(["Allow", "Deny"])),
        draw(st.sampled_from(["Action", "Action", "NotAction"])): draw(patterns),
        "Resource": draw(st.sampled_from(["*", "acs:dysms:*:*:*", "acs:*:*:7:*", ["acs:otpconv:*:8:*"]])),
        "Condition": draw(conditions),
    }


def policy(*said: dict[str, object]) -> Document:
    return document({"Version": "1", "Statement": list(said)})


said = st.lists(statements(), min_size=1, max_size=4)
documents = said.map(lambda many: policy(*many))
attachments = st.lists(documents, max_size=3).map(
    lambda many: [AttachedPolicy(f"P{index}", each) for index, each in enumerate(many)]
)
requests = st.builds(
    AccessRequest,
    st.sampled_from(ACTIONS),
    st.sampled_from(RESOURCES),
    st.fixed_dictionaries(
        {"acs:SourceIp": st.sampled_from(["10.1.2.3", "192.0.2.1", "2001:db8::1"])},
        optional={
            "acs:UserAgent": st.sampled_from(AGENTS),
            "acs:MFAPresent": st.sampled_from(["true", "false"]),
        },
    ),
)


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # many a Deny is about another request
@given(attachments, statements("Deny"), requests)
def test_a_deny_that_applies_always_wins(
    policies: list[AttachedPolicy], deny: dict[str, object], request: AccessRequest
) -> None:
    denying = AttachedPolicy("Denying", policy(deny))
    assume(not decide([denying, AttachedPolicy("A", MANAGED["AdministratorAccess"])], request).allowed)
    for order in ([denying, *policies], [*policies, denying]):
        assert decide(order, request).kind == "ExplicitDeny"


@given(attachments, statements("Allow"), requests)
def test_adding_an_allow_never_takes_access_away(
    policies: list[AttachedPolicy], allow: dict[str, object], request: AccessRequest
) -> None:
    before = decide(policies, request)
    after = decide([*policies, AttachedPolicy("Allowing", policy(allow))], request)
    assert after.allowed >= before.allowed
    assert (after.kind == "ExplicitDeny") is (before.kind == "ExplicitDeny")


@given(attachments, statements("Deny"), requests)
def test_adding_a_deny_never_adds_access(
    policies: list[AttachedPolicy], deny: dict[str, object], request: AccessRequest
) -> None:
    after = decide([*policies, AttachedPolicy("Denying", policy(deny))], request)
    assert after.allowed <= decide(policies, request).allowed


@given(said, requests, st.randoms(use_true_random=False))
def test_the_order_of_statements_makes_no_difference(
    many: list[dict[str, object]], request: AccessRequest, random: Random
) -> None:
    shuffled = many.copy()
    random.shuffle(shuffled)
    first = decide([AttachedPolicy("P", policy(*many))], request)
    assert decide([AttachedPolicy("P", policy(*shuffled))], request).kind == first.kind


@given(st.data(), attachments, requests)
def test_the_order_of_policies_makes_no_difference(
    data: st.DataObject, policies: list[AttachedPolicy], request: AccessRequest
) -> None:
    shuffled = data.draw(st.permutations(policies))
    assert decide(shuffled, request).kind == decide(policies, request).kind


@given(said, requests)
def test_a_policy_in_parts_is_the_same_policy(many: list[dict[str, object]], request: AccessRequest) -> None:
    parts = [AttachedPolicy(f"P{index}", policy(each)) for index, each in enumerate(many)]
    assert decide(parts, request).kind == decide([AttachedPolicy("P", policy(*many))], request).kind


@given(attachments, documents, requests)
def test_a_session_policy_never_adds_access(
    policies: list[AttachedPolicy], session: Document, request: AccessRequest
) -> None:
    alone = decide(policies, request)
    within = decide([AttachedPolicy("S", session)], request)
    both = decide(policies, request, session)
    assert both.allowed is (alone.allowed and within.allowed)
    assert both.policy_type == ("AccountLevelIdentityBasedPolicy" if within.allowed else "SessionPolicy")


@given(attachments, requests)
def test_a_decision_names_the_statement_that_makes_it(
    policies: list[AttachedPolicy], request: AccessRequest
) -> None:
    decision = decide(policies, request)
    if decision.statement is None:
        assert (decision.kind, decision.policy) == ("ImplicitDeny", None)
        return
    deciding = {each.name: each.document for each in policies}[str(decision.policy)]
    assert deciding.statements[decision.statement] == decision.decided_by
    alone = AttachedPolicy("Alone", Document((deciding.statements[decision.statement],)))
    assert decide([alone], request).kind == decision.kind


@given(attachments, requests, requests)
def test_what_does_not_depend_on_the_context_may_be_kept(
    policies: list[AttachedPolicy], request: AccessRequest, other: AccessRequest
) -> None:
    assume(not depends_on_context(policies, request.action))
    again = AccessRequest(request.action.upper(), request.resource, other.context)
    assert decide(policies, again) == decide(policies, request)


CONDITIONAL = policy(
    {
        "Effect": "Deny",
        "NotAction": "otpconv:*",
        "Resource": "acs:dysms:*:*:*",
        "Condition": {
            "NotIpAddress": {"acs:SourceIp": ["10.0.0.0/8", "192.168.0.0/16"]},
            "StringLike": {"acs:UserAgent": "*\u001b*"},
        },
    }
)


def test_only_conditions_on_the_action_make_it_depend_on_the_context() -> None:
    policies = [
        AttachedPolicy("OtpconvReportOnly", MANAGED["OtpconvReportOnly"]),
        AttachedPolicy("C", CONDITIONAL),
    ]
    assert depends_on_context(policies, "dysms:SmsConversion")
    assert depends_on_context(policies, "DYSMS:smsconversion")
    assert not depends_on_context(policies, "otpconv:QueryRates")
    assert not depends_on_context(policies[:1], "dysms:SmsConversion")
    assert depends_on_context(policies[:1], "dysms:SmsConversion", CONDITIONAL)
    assert not depends_on_context([], "dysms:SmsConversion")


def test_the_global_keys_are_what_conditions_read() -> None:
    context = global_keys(
        source_ip="192.0.2.1", now=1_352_678_399_999, secure_transport=False, user_agent="curl/8"
    )
    assert context == {
        "acs:SourceIp": "192.0.2.1",
        "acs:CurrentTime": "2012-11-11T23:59:59Z",
        "acs:SecureTransport": "false",
        "acs:UserAgent": "curl/8",
    }


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("", "*"),
        ("SmsConversion", "*"),
        ("dysms:", "*"),
        (":SmsConversion", "*"),
        ("dysms:*", "*"),
        ("dysms:SmsConversion", ""),
        ("dysms:SmsConversion", "template/1"),
        ("dysms:SmsConversion", "acs:dysms:*:*"),
        ("dysms:SmsConversion", "arn:dysms:*:*:*"),
    ],
)
def test_a_malformed_request_is_no_request(action: str, resource: str) -> None:
    with pytest.raises(InvalidRequest, match=r"An action is|A resource is"):
        decide([AttachedPolicy("A", MANAGED["AdministratorAccess"])], AccessRequest(action, resource))


REQUEST = AccessRequest(
    "dysms:SmsConversion",
    context={"acs:SourceIp": "192.0.2.1", "acs:UserAgent": "a\u001bb", "app:Tags": ("a", "b")},
)


def test_an_explained_allow_names_the_statement() -> None:
    decision = decide([AttachedPolicy("AliyunDysmsFullAccess", MANAGED["AliyunDysmsFullAccess"])], REQUEST)
    assert explain_decision(decision, REQUEST) == (
        "dysms:SmsConversion on everything is allowed: "
        "Statement[0] of the policy AliyunDysmsFullAccess allows dysms:* on everything."
    )


def test_an_explained_denial_tells_what_its_conditions_saw_and_is_one_printable_line() -> None:
    decision = decide([AttachedPolicy("Office", CONDITIONAL)], REQUEST)
    text = explain_decision(decision, REQUEST)
    assert text == (
        "dysms:SmsConversion on everything is denied: Statement[0] of the policy Office denies "
        "everything but otpconv:* on acs:dysms:*:*:* "
        "where acs:SourceIp is not in 10.0.0.0/8 or 192.168.0.0/16 and acs:UserAgent is like '*\\x1b*'. "
        "The request has acs:SourceIp 192.0.2.1 and acs:UserAgent 'a\\x1bb'."
    )
    assert text.isprintable()


def test_an_explained_denial_by_nobody_says_so() -> None:
    assert explain_decision(decide([], REQUEST), REQUEST) == (
        "dysms:SmsConversion on everything is denied: no statement of the attached policies allows it."
    )


def test_an_explained_session_policy_is_called_so() -> None:
    everything = [AttachedPolicy("AdministratorAccess", MANAGED["AdministratorAccess"])]
    by_nobody = decide(everything, REQUEST, MANAGED["OtpconvReadOnly"])
    assert explain_decision(by_nobody, REQUEST).endswith("no statement of the session policy allows it.")
    denied = decide(everything, REQUEST, policy({"Effect": "Deny", "Action": "*", "Resource": "*"}))
    assert explain_decision(denied, REQUEST).endswith(
        "Statement[0] of the session policy denies * on everything."
    )


@given(attachments, documents, requests)
def test_every_decision_can_be_explained(
    policies: list[AttachedPolicy], session: Document, request: AccessRequest
) -> None:
    for decision in (decide(policies, request), decide(policies, request, session)):
        assert explain_decision(decision, request).isprintable()


@given(documents)
def test_policies_are_values(parsed: Document) -> None:
    assert hash(AttachedPolicy("P", parsed)) == hash(AttachedPolicy("P", parsed))

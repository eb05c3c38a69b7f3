"""Parsing policies: which are accepted, and where and why the others are refused."""

import json

import pytest
from hypothesis import given, strategies as st

from otpconv.access.policies.cautions import ACTIONS, cautions
from otpconv.access.policies.document import MAX_BYTES, Document, parse_document
from otpconv.access.policies.managed import MANAGED
from otpconv.errors import InvalidRequest

ALLOW = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def text(*statements: object, **members: object) -> str:
    return json.dumps({"Version": "1", "Statement": list(statements), **members})


def conditional(condition: object) -> str:
    return text({**ALLOW, "Condition": condition})


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in ALLOW.items() if key != name}


def parse(*statements: object) -> Document:
    return parse_document(text(*statements))


def test_a_whole_policy_is_taken_as_it_is_written() -> None:
    document = parse(
        {
            "Effect": "Deny",
            "NotAction": ["dysms:SmsConversion", "Otpconv:Query*"],
            "Resource": ["acs:dysms:*:7:*", "*"],
            "Condition": {
                "NumericLessThan": {"app:Count": [5, 1e2, "0.5"]},
                "Bool": {"acs:SecureTransport": False},
                "IpAddress": {"acs:SourceIp": "10.0.0.0/8"},
            },
        },
        ALLOW,
    )
    deny, allow = document.statements
    assert (deny.effect, deny.excepted, allow.effect, allow.excepted) == ("Deny", True, "Allow", False)
    assert deny.actions == ("dysms:SmsConversion", "Otpconv:Query*")
    assert [resource.written for resource in deny.resources] == ["acs:dysms:*:7:*", "*"]
    assert [(each.operator, each.key, each.values) for each in deny.conditions] == [
        ("NumericLessThan", "app:Count", ("5", "100.0", "0.5")),
        ("Bool", "acs:SecureTransport", ("false",)),
        ("IpAddress", "acs:SourceIp", ("10.0.0.0/8",)),
    ]


def test_a_single_value_and_a_list_of_one_are_the_same() -> None:
    single = {"Version": "1", "Statement": {**ALLOW, "Condition": {"StringLike": {"app:Key": "a*"}}}}
    listed = text(
        {
            "Effect": "Allow",
            "Action": ["*"],
            "Resource": ["*"],
            "Condition": {"StringLike": {"app:Key": ["a*"]}},
        }
    )
    assert parse_document(json.dumps(single)) == parse_document(listed)


def test_text_and_bytes_are_the_same() -> None:
    written = conditional({"StringEquals": {"app:Käse": "böse"}})
    assert parse_document(written) == parse_document(written.encode())
    assert parse_document(json.dumps(json.loads(written), ensure_ascii=False)) == parse_document(written)


def test_the_members_may_come_in_any_order() -> None:
    backwards = '{"Statement":[{"Resource":"*","Action":"*","Effect":"Allow"}],"Version":"1"}'
    assert parse_document(backwards) == parse(ALLOW) == MANAGED["AdministratorAccess"]


BAD = [
    # the whole
    ("", "The policy: is not valid JSON at line 1, column 1"),
    ("{", "The policy: is not valid JSON at line 1, column 2"),
    (text(ALLOW) + "x", "The policy: is not valid JSON at line 1, column"),
    (b"\xff{}", "The policy: is not valid JSON in UTF-8"),
    (text(ALLOW).encode("utf-16"), "The policy: is not valid JSON in UTF-8"),
    ("\ud800", "The policy: is not valid JSON in UTF-8"),
    ('{"Version": NaN}', "The policy: is not valid JSON in UTF-8, or has a number that is out of range"),
    ('{"Version": 1e99999999999999999999}', "or has a number that is out of range"),
    ("[]", "The policy: must be an object in braces"),
    ("null", "The policy: must be an object in braces"),
    ('"1"', "The policy: must be an object in braces"),
    ("{}", "The policy: must have Version"),
    (text(ALLOW, Id="x"), "Id: is unknown; A policy has Version and Statement"),
    (text(ALLOW, version="1"), "version: is unknown"),
    ('{"Version": "1", "Version": "1"}', "Version: is given twice"),
    ('{"Version": "1"}', "The policy: must have Statement"),
    (text(ALLOW, Version="2"), 'Version: must be the text "1"'),
    (text(ALLOW, Version="2012-10-17"), 'Version: must be the text "1"'),
    (text(ALLOW, Version=1), 'Version: must be the text "1"'),
    (text(ALLOW, Version=True), 'Version: must be the text "1"'),
    (text(ALLOW, Version=["1"]), 'Version: must be the text "1"'),
    # statements
    (text(), "Statement: must not be empty"),
    (text(ALLOW, Statement="Allow"), "Statement: must be an object in braces"),
    (text(ALLOW, Statement=None), "Statement: must be an object in braces"),
    (text(ALLOW, [ALLOW]), "Statement[1]: must be an object in braces"),
    (text(ALLOW, ALLOW, {**ALLOW, "Sid": "1"}), "Statement[2].Sid: is unknown; a statement has Effect"),
    (text({**ALLOW, "effect": "Deny"}), "Statement[0].effect: is unknown"),
    (text({**ALLOW, "a\nb": 1}), r"Statement[0].'a\nb': is unknown"),
    (text({**ALLOW, "x" * 99: 1}), f"Statement[0].'{'x' * 64}…': is unknown"),
    (text({**ALLOW, "Principal": "*"}), "Statement[0].Principal: belongs to trust policies only"),
    (text({**ALLOW, "NotPrincipal": "*"}), "Statement[0].NotPrincipal: is not supported"),
    (
        text({**without("Resource"), "NotResource": "*"}),
        "Statement[0].NotResource: is not supported; name with",
    ),
    ('{"Version":"1","Statement":{"Effect":"Allow","Effect":"Deny"}}', "Statement.Effect: is given twice"),
    (text(without("Effect")), "Statement[0]: must have Effect"),
    (text({**ALLOW, "Effect": "allow"}), 'Statement[0].Effect: must be "Allow" or "Deny"'),
    (text({**ALLOW, "Effect": ["Allow"]}), 'Statement[0].Effect: must be "Allow" or "Deny"'),
    (text({**ALLOW, "Effect": None}), 'Statement[0].Effect: must be "Allow" or "Deny"'),
    (text({**ALLOW, "Effect": {}}), 'Statement[0].Effect: must be "Allow" or "Deny"'),
    # actions
    (text(without("Action")), "Statement[0]: must have either Action or NotAction"),
    (text({**ALLOW, "NotAction": "*"}), "Statement[0]: must have either Action or NotAction"),
    (text({**ALLOW, "Action": []}), "Statement[0].Action: must not be empty"),
    (text({**ALLOW, "Action": 7}), "Statement[0].Action: must be a text, or a list of texts"),
    (text({**ALLOW, "Action": ["*", None]}), "Statement[0].Action[1]: must be a text"),
    (text({**ALLOW, "Action": [["*"]]}), "Statement[0].Action[0]: must be a text"),
    (text({**ALLOW, "Action": {"*": 1}}), "Statement[0].Action: must be a text"),
    (
        text({**ALLOW, "Action": "SmsConversion"}),
        "Statement[0].Action: 'SmsConversion' must be * or <ramcode>:",
    ),
    (text({**ALLOW, "Action": ["dysms:"]}), "Statement[0].Action[0]: 'dysms:' must be"),
    (text({**ALLOW, "Action": ":X"}), "Statement[0].Action: ':X' must be"),
    (text({**ALLOW, "Action": "dysms:*:*"}), "Statement[0].Action: 'dysms:*:*' must be"),
    (text({**ALLOW, "Action": "**"}), "Statement[0].Action: '**' must be"),
    (text({**ALLOW, "Action": "dysms:Get?"}), "no other wildcard is known"),
    (text({**ALLOW, "Action": "dysms:Sms Conversion"}), "Statement[0].Action: "),
    (text({**ALLOW, "Action": "dysms:X\n"}), r"Statement[0].Action: 'dysms:X\n' must be"),
    (text({**without("Action"), "NotAction": ["a:b", "c"]}), "Statement[0].NotAction[1]: 'c' must be"),
    # resources
    (text(without("Resource")), "Statement[0]: must have Resource"),
    (text({**ALLOW, "Resource": []}), "Statement[0].Resource: must not be empty"),
    (text({**ALLOW, "Resource": True}), "Statement[0].Resource: must be a text"),
    (text({**ALLOW, "Resource": ["*", "**"]}), "Statement[0].Resource[1]: '**' must be * or acs:"),
    (text({**ALLOW, "Resource": "acs:dysms:*:*"}), "must be * or acs:<ramcode>:<region>:<account-id>:"),
    (text({**ALLOW, "Resource": "acs:dysms:::x"}), "must be * or acs:<ramcode>:<region>:<account-id>:"),
    (text({**ALLOW, "Resource": "acs:dysms:*:*:"}), "must be * or acs:<ramcode>:<region>:<account-id>:"),
    (text({**ALLOW, "Resource": "arn:dysms:*:*:*"}), "must be * or acs:<ramcode>:<region>:<account-id>:"),
    (text({**ALLOW, "Resource": "acs:Dysms:*:*:*"}), "must have its ramcode in lower case"),
    (text({**ALLOW, "Resource": "acs:dysms:a b:*:*"}), "must have its region and account-id in letters"),
    (text({**ALLOW, "Resource": "acs:dysms:*:a/b:*"}), "must have its region and account-id in letters"),
    (text({**ALLOW, "Resource": "acs:dysms:*:*:a?"}), "must be without ?"),
    # conditions
    (conditional(None), "Statement[0].Condition: must be an object in braces"),
    (conditional([]), "Statement[0].Condition: must be an object in braces"),
    (conditional({"Null": {"a:b": "true"}}), "Null: The condition operator 'Null' is not supported"),
    (
        conditional({"StringEqualsIfExists": {"a:b": "c"}}),
        "The condition operator 'StringEqualsIfExists' is not supported",
    ),
    (conditional({"stringEquals": {"a:b": "c"}}), "The condition operator 'stringEquals' is not supported"),
    (conditional({"ForAllValues:StringLike": {"a:b": "c"}}), "'ForAllValues:StringLike' is not supported"),
    (conditional({"Bool": "true"}), "Statement[0].Condition.Bool: must be an object in braces"),
    (conditional({"Bool": {}}), "Statement[0].Condition.Bool: must have at least one condition key"),
    (conditional({"StringLike": {"acs:UserAgent": []}}), "StringLike.acs:UserAgent: must not be empty"),
    (conditional({"StringLike": {"acs:UserAgent": {}}}), "StringLike.acs:UserAgent: must be a text."),
    (conditional({"StringLike": {"acs:UserAgent": 5}}), "StringLike.acs:UserAgent: must be a text."),
    (conditional({"StringEquals": {"a:b": ["c", True]}}), "Condition.StringEquals.a:b[1]: must be a text."),
    (conditional({"StringEquals": {"a:b": [["c"]]}}), "Condition.StringEquals.a:b[0]: must be a text."),
    (conditional({"StringEquals": {"UserAgent": "c"}}), "UserAgent: must be a condition key of the form"),
    (conditional({"StringEquals": {"acs:": "c"}}), "acs:: must be a condition key of the form"),
    (conditional({"StringEquals": {":b": "c"}}), ":b: must be a condition key of the form"),
    (conditional({"StringEquals": {"a:\n": "c"}}), r"'a:\n': must be a condition key of the form"),
    (conditional({"StringEquals": {"acs:useragent": "c"}}), "must be written acs:UserAgent"),
    (
        conditional({"StringLike": {"acs:SourceIp": "10.*"}}),
        "under one of IpAddress, NotIpAddress, not under",
    ),
    (conditional({"IpAddress": {"acs:UserAgent": "::1"}}), "must be under one of StringEquals,"),
    (conditional({"NumericLessThan": {"a:b": "many"}}), "NumericLessThan.a:b: must be a number, e.g. 42"),
    (conditional({"NumericLessThan": {"a:b": [1, True]}}), "NumericLessThan.a:b[1]: must be a number"),
    (conditional({"DateLessThan": {"acs:CurrentTime": "2026-07-01"}}), "must be a date in ISO 8601, e.g."),
    (conditional({"DateLessThan": {"acs:CurrentTime": 0}}), "must be a date in ISO 8601, e.g."),
    (
        conditional({"Bool": {"acs:SecureTransport": "yes"}}),
        "Bool.acs:SecureTransport: must be true or false",
    ),
    (conditional({"Bool": {"acs:SecureTransport": 1}}), "Bool.acs:SecureTransport: must be true or false"),
    (conditional({"Bool": {"a:b": ["true", "false"]}}), "Bool.a:b: must have one value only"),
    (
        conditional({"IpAddress": {"acs:SourceIp": ["10.0.0.0/8", "10.0.0.1/8"]}}),
        "IpAddress.acs:SourceIp[1]: must",
    ),
    (conditional({"NotIpAddress": {"acs:SourceIp": "office"}}), "must be an IP address, or a range"),
    (
        conditional(0).replace("0", '{"Bool": {"a:b": "true", "a:b": "false"}}'),
        "Statement[0].Condition.Bool.a:b: is given twice",
    ),
    (
        conditional(0).replace("0", '{"Bool": {"a:b": "true"}, "Bool": {"a:c": "true"}}'),
        "Statement[0].Condition.Bool: is given twice",
    ),
]


@pytest.mark.parametrize(("written", "reason"), BAD)
def test_a_bad_policy_is_refused_with_the_place_and_the_reason(written: str | bytes, reason: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_document(written)
    assert reason in refusal.value.text
    assert refusal.value.text.isprintable()
    assert refusal.value.text.endswith(".")


@pytest.mark.parametrize(
    "written",
    [
        "[" * 2**20,
        "[" * 2**19 + "]" * 2**19,
        '{"a":' * 2**17 + "1" + "}" * 2**17,
        text(*[ALLOW] * 20_000),
        conditional({"StringLike": {"a:b": ["*a*a*a*b"] * 80_000}}),
        "{" + ",".join(f'"{index}":1' for index in range(100_000)) + "}",
        " " * 2**20,
        "é" * 2**19,
        "9" * 2**20,
        b"\xff" * 2**20,
    ],
)
def test_a_document_of_a_megabyte_is_refused_unread(written: str | bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"has [\d,]+ bytes; write it with at most 6,144"):
        parse_document(written)


@pytest.mark.parametrize(
    "written",
    [
        "[" * MAX_BYTES,
        "[" * (MAX_BYTES // 2) + "]" * (MAX_BYTES // 2),
        '{"Statement":' * 450,
        conditional(0).replace("0", '{"a":' * 1_000 + "1" + "}" * 1_000),
        "9" * MAX_BYTES,
    ],
)
def test_a_document_that_is_small_enough_may_still_be_too_deep(written: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_document(written)


def test_a_document_of_the_most_that_is_taken_is_taken_and_one_byte_more_is_not() -> None:
    full = text(ALLOW) + " " * (MAX_BYTES - len(text(ALLOW)))
    assert parse_document(full) == parse(ALLOW)
    with pytest.raises(InvalidRequest, match="6,145 bytes"):
        parse_document(full + " ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
near_values = st.recursive(
    json_values | st.sampled_from(["*", "1", "Allow", "dysms:*", "acs:dysms:*:*:*", "true", "10.0.0.0/8", 5]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("Version", "Statement", "Effect", "Action", "NotAction", "Resource", "Condition"),
                    *("Bool", "StringLike", "NumericLessThan", "IpAddress", "acs:SourceIp", "app:Key"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
near_statements = st.fixed_dictionaries(
    {"Effect": st.just("Allow") | near_values, "Action": st.just("*") | near_values},
    optional={"Resource": st.just("*") | near_values, "Condition": near_values},
)
near_documents = st.fixed_dictionaries(
    {
        "Version": st.just("1"),
        "Statement": near_statements | st.lists(near_statements | near_values, max_size=2),
    }
)


@given(json_values | near_values | near_documents)
def test_any_json_is_a_policy_or_refused_in_one_line(value: object) -> None:
    try:
        said: str = parse_document(json.dumps(value)).statements[0].effect
    except InvalidRequest as refusal:
        said = refusal.text
    assert said.isprintable()


@given(st.binary() | st.text())
def test_any_text_that_is_no_policy_is_refused_in_one_line(written: str | bytes) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_document(written)
    assert refusal.value.text.isprintable()


def test_conditions_that_no_request_can_meet_are_told() -> None:
    document = parse(
        {**ALLOW, "Condition": {"Bool": {"acs:SecureTransport": "true"}}},
        {**ALLOW, "Effect": "Deny", "Condition": {"StringNotEquals": {"acs:SourceVpc": "vpc-1"}}},
        {**ALLOW, "Effect": "Deny", "Condition": {"Bool": {"acs:MFAPresent": "false"}}},
    )
    assert cautions(document) == [
        "Statement[1] never applies: no request here has the key 'acs:SourceVpc'.",
        "Statement[2] never applies: no request here has the key 'acs:MFAPresent'.",
    ]


@pytest.mark.parametrize("name", sorted(MANAGED))
def test_the_managed_policies_need_no_caution(name: str) -> None:
    assert cautions(MANAGED[name]) == []


@pytest.mark.parametrize(
    "action", ["otpconv:QeryRates", "otpconv:QueryRate", "OTPCONV:queryrats", "otpcnov:QueryRates"]
)
def test_an_action_that_does_not_exist_is_warned_of_with_the_nearest(action: str) -> None:
    (said,) = cautions(parse({**ALLOW, "Action": action}))
    assert said == (
        f"Statement[0].Action: '{action}' is not an action of this server, so it allows nothing; "
        "did you mean otpconv:QueryRates?"
    )


@given(st.data())
def test_a_letter_wrong_anywhere_in_an_action_is_found_and_the_action_suggested(data: st.DataObject) -> None:
    action = data.draw(st.sampled_from(ACTIONS))
    at = data.draw(st.integers(action.index(":") + 1, len(action) - 1))
    kind = data.draw(st.sampled_from(["left out", "twice", "another"]))
    wrong = action[:at] + {"left out": "", "twice": action[at] * 2, "another": "-"}[kind] + action[at + 1 :]
    if wrong in ACTIONS:
        return
    document = parse({**ALLOW, "Effect": "Deny", "Action": ["dysms:SmsConversion", wrong]})
    (said,) = cautions(document)
    assert repr(wrong) in said
    assert "did you mean " in said
    assert "so it denies nothing" in said


#: What the actions of this server begin with, as a text lists it.
SERVICES = ", ".join(sorted({f"{action.partition(':')[0]}:" for action in ACTIONS}))


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("otpconv:Qery*", "did you mean otpconv:Query*?"),
        ("otpconv:Gett*", "did you mean otpconv:Get*?"),
        ("otpcnv:*", "did you mean otpconv:*?"),
        ("otpconv:Q*ryRate", "did you mean otpconv:QueryRates?"),
        ("*:QeryRates", "did you mean otpconv:QueryRates?"),
        ("dysms:SmsConverion", "did you mean dysms:SmsConversion?"),
        ("ecs:RunInstances", f"begin with {SERVICES}."),
        ("ecs:*", f"begin with {SERVICES}."),
        ("otpconv:Zzz*", f"begin with {SERVICES}."),
    ],
)
def test_a_pattern_that_matches_no_action_is_warned_of(pattern: str, hint: str) -> None:
    for name, verb in (("Action", "allows"), ("NotAction", "excepts")):
        statement = {key: value for key, value in ALLOW.items() if key != "Action"} | {name: pattern}
        (said,) = cautions(parse(statement))
        assert said.startswith(f"Statement[0].{name}: {pattern!r} ")
        assert f"so it {verb} nothing" in said
        assert hint in said


@given(st.sampled_from(ACTIONS), st.integers(0, 40), st.booleans())
def test_what_matches_an_action_is_not_warned_of(action: str, cut: int, shout: bool) -> None:  # noqa: FBT001
    pattern = f"{action[:cut]}*" if ":" in action[:cut] or not cut else action
    pattern = pattern.upper() if shout else pattern
    assert cautions(parse({**ALLOW, "Action": pattern})) == []


def test_the_nearest_condition_key_operator_and_member_are_suggested() -> None:
    (said,) = cautions(parse({**ALLOW, "Condition": {"IpAddress": {"acs:SourcIp": "10.0.0.0/8"}}}))
    assert said.endswith("did you mean acs:SourceIp?")
    for wrong, meant in (
        ("ipaddress", "IpAddress"),
        ("StringEqual", "StringEquals"),
        ("DateLess", "DateLessThan"),
    ):
        with pytest.raises(InvalidRequest, match=f"write {meant}"):
            parse({**ALLOW, "Condition": {wrong: {"acs:SourceIp": "10.0.0.0/8"}}})
    with pytest.raises(InvalidRequest, match="did you mean Resource"):
        parse({**ALLOW, "Resourse": "*"})

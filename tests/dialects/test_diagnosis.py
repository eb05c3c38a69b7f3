"""The diagnosis of other vendors' requests: usual mistakes are made here, and each is named."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from msgspec import structs

from campaigns import rounds
from dialects.vendor_cases import CASES, Case, name_of
from otpconv.dialects.dialect import Call, HttpRequest
from otpconv.dialects.tutor.diagnosis import diagnose
from otpconv.dialects.tutor.findings import Diagnosis
from otpconv.dialects.tutor.operation import Signer
from otpconv.dialects.tutor.vendor import walk
from otpconv.dialects.vendors import VENDORS
from otpconv.errors import UnknownAccessKey

NOW, WINDOW_MS = 1_795_729_896_000, 900_000
SECRET = "t0p5ecret+/x"  # noqa: S105 - of no key
OTHERS = {"LTAIother": "0therSecret"}
SIGNED = [case for case in CASES if case[2].signature]
LOGINS = [case for case in CASES if not case[2].signature]


def names_of(case: Case) -> str:
    return "-".join(map(name_of, case))


def request(case: Case, secret: str = SECRET, *, now: int = NOW, key: str = "LTAIx") -> HttpRequest:
    vendor, operation, way = case
    given_ = {each.name: each.example for each in operation.parameters}
    return walk(vendor, operation, way, given_, Signer(key, secret, "h", now, "n0")).request.received()


def diagnosed(case: Case, asked: HttpRequest, *, used: bool = False) -> Diagnosis:
    def secret_of(call: Call) -> str:
        if call.access_key_id != "LTAIx":
            raise UnknownAccessKey("No access key has this AccessKeyId.")
        return SECRET

    found = diagnose(
        case[0],
        asked,
        secret_of=secret_of,
        others=OTHERS,
        was_used=lambda _: used,
        now=NOW,
        window_ms=WINDOW_MS,
        region="",
    )
    told = str(found)
    assert SECRET not in told
    assert OTHERS["LTAIother"] not in told
    return found


def bad(found: Diagnosis) -> list[str]:
    return [f"{each.subject}: {each.text}" for each in found.findings if each.state == "bad"]


def changed(asked: HttpRequest, name: bytes, value: bytes) -> HttpRequest:
    return structs.replace(asked, fields=asked.fields | {name: value})


@pytest.mark.parametrize("case", CASES, ids=names_of)
def test_a_right_request_has_no_mistake(case: Case) -> None:
    found = diagnosed(case, request(case))
    assert found.is_good, found
    assert found.has_secret == (case in LOGINS)
    assert bool(found.signed) == (case in SIGNED)
    assert [each.subject for each in found.findings][:3] == ["Vendor", "Form", "Access key"]


@pytest.mark.parametrize("case", CASES, ids=names_of)
@pytest.mark.parametrize(
    ("secret", "says"),
    [
        (f"{SECRET}\n", "a line feed behind it"),
        (f" {SECRET}", ""),
        (f'"{SECRET}"', "quotation marks"),
        (f"\ufeff{SECRET}", "BOM"),
        ("0therSecret", "LTAIother"),
        ("wrong", ""),
    ],
)
def test_a_wrong_secret_is_found_and_named(case: Case, secret: str, says: str) -> None:
    if case[2].curl.startswith("-H") and not (secret.isascii() and secret.isprintable()):
        return  # a header can't have it
    (told,) = bad(diagnosed(case, request(case, secret)))
    assert told.startswith(("Secret:", "Signature:"))
    assert says in told
    if not says:
        assert "It is not the one of" in told


@pytest.mark.parametrize("case", CASES, ids=names_of)
def test_a_key_that_is_unknown_is_told_and_nothing_after_it(case: Case) -> None:
    found = diagnosed(case, request(case, key="LTAIy"))
    assert bad(found) == ["Access key: No access key has this AccessKeyId."]
    assert found.findings[-1].subject == "Access key"


@pytest.mark.parametrize("case", SIGNED, ids=names_of)
def test_a_wrong_clock_is_told_where_the_wire_has_a_time(case: Case) -> None:
    late = diagnosed(case, request(case, now=NOW - 2 * WINDOW_MS))
    early = diagnosed(case, request(case, now=NOW + 2 * WINDOW_MS))
    if case[0].name in {"vonage", "sinch"}:
        assert all(each.subject != "Time" for each in late.findings)
        return
    assert any(each.subject == "Time" and each.state == "unsure" for each in late.findings)
    assert any("in the future" in told for told in bad(early))


@pytest.mark.parametrize("case", SIGNED, ids=names_of)
def test_a_nonce_that_was_used_is_told_where_the_wire_has_one(case: Case) -> None:
    told = bad(diagnosed(case, request(case), used=True))
    has_nonce = case[0].name == "telesign" or case[2].name in {"HmacSHA1", "HmacSHA256"}
    assert [each.partition(":")[0] for each in told] == (["Nonce"] if has_nonce else [])


def of(name: str, way: str = "") -> Case:
    vendor = VENDORS[name]
    operation = vendor.operations[0]
    return vendor, operation, operation.way(way)


Change = Callable[[HttpRequest], HttpRequest]


def with_body(*change: bytes) -> Change:
    """Replace a part of the body, or append to it."""
    return lambda asked: structs.replace(
        asked, body=asked.body.replace(*change) if len(change) > 1 else asked.body + change[0]
    )


def with_header(name: bytes, value: bytes) -> Change:
    return lambda asked: changed(asked, name, value)


@pytest.mark.parametrize(
    ("case", "change", "says"),
    [
        (of("aws"), with_header(b"host", b"h:443"), "host was signed as h, and sent as h:443"),
        (of("aws"), with_header(b"host", b"other"), "no usual mistake"),
        (of("aws"), with_body(b"\n"), "without the white space"),
        (of("aws"), with_body(b": ", b":"), "spaces after"),
        (of("volcengine"), with_body(b"\n"), "white space"),
        (of("tencent"), with_header(b"content-type", b"application/json; charset=utf-8"), "Content-Type"),
        (of("tencent", "HmacSHA256"), with_body(b"&Nonce=", b"&Nonce=1"), "no usual mistake"),
        (of("telesign"), lambda asked: structs.replace(asked, path=f"{asked.path}x"), "no usual mistake"),
        (of("telesign"), with_header(b"content-type", b"text/plain"), "no usual mistake"),
        (of("vonage", "sig"), with_body(b"true", b"false"), "no usual mistake"),
    ],
)
def test_a_change_after_the_signature_is_named(case: Case, change: Change, says: str) -> None:
    (told,) = bad(diagnosed(case, change(request(case))))
    assert told.startswith("Signature: ")
    assert says in told


@pytest.mark.parametrize("name", ["aws", "tencent"])
def test_a_key_without_its_prefix_is_named(name: str) -> None:
    case = of(name)
    prefix = {"aws": "AWS4", "tencent": "TC3"}[name]
    call: Any = case[0].dialect.read(request(case))
    bare = structs.replace(call.scheme, key_prefix="")
    value = request(case).fields[b"authorization"].rpartition(b"=")[0]
    made = bare.signature(call.requests[0], SECRET, call.time, call.authorization.scope)
    (told,) = bad(diagnosed(case, changed(request(case), b"authorization", value + b"=" + made.encode())))
    assert f"without {prefix} before it" in told


@pytest.mark.parametrize("case", SIGNED, ids=names_of)
@settings(max_examples=rounds(50))
@given(data=st.data())
def test_whatever_is_changed_the_diagnosis_is_bad_or_the_server_accepts_it(
    case: Case, data: st.DataObject
) -> None:
    asked = request(case)
    name = data.draw(st.sampled_from([*asked.fields, b"body"]))
    text = data.draw(st.binary(max_size=8))
    if name == b"body":
        asked = structs.replace(asked, body=asked.body + text)
    else:
        asked = changed(asked, name, asked.fields[name] + text)
    found = diagnosed(case, asked)
    try:
        call: Any = case[0].dialect.read(asked)
        call.verify(SECRET)
        case[0].dialect.reports(call, 0, NOW, lambda _, number: number, "")
        accepted = True
    except Exception:  # noqa: BLE001 - whatever the server refuses it for
        accepted = False
    assert found.is_good == accepted


def test_both_a_wrong_secret_and_a_wrong_host_are_named() -> None:
    case = of("aws")
    first, second = bad(diagnosed(case, changed(request(case, f"{SECRET}\n"), b"host", b"h:443")))
    assert "a line feed behind it" in first
    assert "The host was signed as h," in second

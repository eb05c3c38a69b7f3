"""The vendors' own descriptions: what the explorer signs is what the dialects read, and shows no secret."""

import pytest
from hypothesis import given, strategies as st

from dialects.vendor_cases import CASES, name_of
from otpconv.access.policies.cautions import ACTIONS
from otpconv.dialects.dialect import LoginCall
from otpconv.dialects.routing import DIALECTS, route
from otpconv.dialects.tutor.operation import Operation, Signer, Way
from otpconv.dialects.tutor.vendor import Vendor, walk
from otpconv.dialects.vendors import VENDORS, vendor_of
from otpconv.errors import Refused, SignatureMismatch

NOW = 1_795_729_896_000
SECRET = "t0p5ecret+/x"  # noqa: S105 - of no key


def signer(nonce: str = "0") -> Signer:
    return Signer("LTAIkey", SECRET, "otp.example:8080", NOW, nonce)


def examples(operation: Operation) -> dict[str, str]:
    return {each.name: each.example for each in operation.parameters}


def test_every_dialect_but_alibabas_describes_itself_under_the_name_of_its_folder() -> None:
    folders = {type(dialect).__module__.split(".")[2]: vendor_of(dialect) for dialect in DIALECTS}
    assert folders.pop("alibaba") is None
    assert folders == VENDORS


def test_every_action_of_a_dialect_is_one_of_an_operation() -> None:
    named = {operation.permission for vendor in VENDORS.values() for operation in vendor.operations}
    named.add("twilio:CreateMessage")  # it would send a real message, so the explorer does not have it
    ours = {
        action for action in ACTIONS if action.partition(":")[0] not in {"dysms", "otpconv", "ram", "sts"}
    }
    assert named == ours


@pytest.mark.parametrize(("vendor", "operation", "way"), CASES, ids=name_of)
def test_the_example_of_an_operation_is_a_call_that_its_dialect_accepts(
    vendor: Vendor, operation: Operation, way: Way
) -> None:
    made = walk(vendor, operation, way, examples(operation), signer())
    request = made.request.received()
    assert type(route(request)) is type(vendor.dialect)
    call = vendor.dialect.read(request)
    assert (call.permission, call.access_key_id) == (operation.permission, "LTAIkey")
    if isinstance(call, LoginCall):
        assert (call.secret, way.signature) == (SECRET, None)
    else:
        call.verify(SECRET)
        with pytest.raises(SignatureMismatch):
            call.verify("another")
        assert [step.title for step in made.steps][-1] == "Signature"
        assert len(made.steps) > 1
    if operation.method != "GET":
        reports = vendor.dialect.reports(call, 1, NOW, lambda _, number: number, "")
        assert not any(isinstance(report, Refused) for report in reports)


@pytest.mark.parametrize(("vendor", "operation", "way"), CASES, ids=name_of)
@given(data=st.data())
def test_whatever_is_filled_in_is_sent_and_the_secret_is_never_shown(
    vendor: Vendor, operation: Operation, way: Way, data: st.DataObject
) -> None:
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    given_ = {each.name: data.draw(text | st.just(each.example)) for each in operation.parameters}
    made = walk(vendor, operation, way, given_, signer(data.draw(st.uuids()).hex))
    shown = f"{made.shown} {made.steps}"
    assert SECRET not in shown
    assert made.request.headers.keys() == made.shown.headers.keys()
    assert (made.shown.method, made.shown.target, made.shown.body) == (
        made.request.method,
        made.request.target,
        made.request.body,
    )
    if any(each.place == "path" and not given_[each.name] for each in operation.parameters):
        return  # it names no message: another path
    assert made.request.received().fields[b"host"] == b"otp.example:8080"
    for header in way.hidden:
        assert made.request.headers[header] != made.shown.headers[header]

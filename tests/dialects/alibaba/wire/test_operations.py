"""What describes the operations is what checks their requests: each parameter is held to its description."""

import re
from collections.abc import Iterator

import pytest

from otpconv.dialects.alibaba import (
    ACTIONS,
    ASSUME_ROLE,
    OPERATIONS,
    Call,
    GatewayError,
    read_report,
    role_request,
)
from otpconv.dialects.alibaba.wire.operations import Operation, Parameter
from otpconv.errors import InvalidNumber, Refused

NOW = 1_800_000_000_000
PARAMETERS = [
    pytest.param(operation, parameter, id=f"{operation.action}-{parameter.name}")
    for operation in OPERATIONS
    for parameter in operation.parameters
]
#: Values that are wrong for most parameters.
WRONG = ("\u0663", "x y", "-1", "1e3", "true ", "9" * 70, "acs:ram::0:role/x")


def called(operation: Operation, parameters: dict[str, str]) -> None:
    """Read a call as the server does."""
    version, action = operation.version, operation.action
    call = Call(action, version, "testid", "nonce", NOW, False, parameters, "HMAC-SHA1", b"", b"")
    if (version, action) == ASSUME_ROLE:
        role_request(call)
    else:
        read_report(call, 1, NOW, lambda account, e164: f"{account} {e164}")


def examples(operation: Operation) -> dict[str, str]:
    return {each.name: each.example for each in operation.parameters}


def wrong_for(parameter: Parameter) -> Iterator[str]:
    yield from (value for value in WRONG if not re.fullmatch(parameter.pattern, value))


def test_every_operation_that_is_answered_is_described() -> None:
    assert {(each.version, each.action) for each in OPERATIONS} == {*ACTIONS, ASSUME_ROLE}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.action)
def test_the_examples_of_an_operation_are_taken_and_so_are_its_mandatory_parameters_alone(
    operation: Operation,
) -> None:
    called(operation, examples(operation))
    alone = {each.name: each.example for each in operation.parameters if each.mandatory}
    if operation.action == "SmsConversion":
        alone |= {"MessageId": "1"}  # this, or To
    called(operation, alone)


@pytest.mark.parametrize(("operation", "parameter"), PARAMETERS)
def test_a_parameter_that_is_left_out_is_missing_if_it_is_mandatory(
    operation: Operation, parameter: Parameter
) -> None:
    given = examples(operation) | {parameter.name: ""}
    if not parameter.mandatory:
        called(operation, given)
        return
    with pytest.raises(GatewayError) as caught:
        called(operation, given)
    assert caught.value.code == f"Missing{parameter.name}"


@pytest.mark.parametrize(("operation", "parameter"), PARAMETERS)
def test_a_value_that_the_description_rules_out_is_refused_by_the_name_of_its_parameter(
    operation: Operation, parameter: Parameter
) -> None:
    if parameter.name == "Policy":
        return  # the code that parses policies reports its errors
    for value in wrong_for(parameter):
        with pytest.raises(Refused) as caught:
            called(operation, examples(operation) | {parameter.name: value})
        if isinstance(caught.value, InvalidNumber):
            assert parameter.name == "To"
        else:
            assert caught.value.code in {f"Invalid{parameter.name}", f"InvalidParameter.{parameter.name}"}
            assert parameter.must_be in caught.value.text

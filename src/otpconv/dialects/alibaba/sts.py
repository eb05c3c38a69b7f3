"""AssumeRole of the Security Token Service: reads the call and writes the response.

Source: "AssumeRole", Security Token Service 2015-04-01, Alibaba Cloud documentation. Where it shows two forms
of an ARN, this module uses the one of `GetCallerIdentity`.
"""

import re
from datetime import UTC, datetime

from msgspec import Struct

from otpconv.dialects.alibaba.wire.call import Call
from otpconv.dialects.alibaba.wire.operations import DURATION_SECONDS, ROLE_ARN, ROLE_SESSION_NAME, Parameter
from otpconv.dialects.alibaba.wire.refusal import GatewayError, missing
from otpconv.dialects.alibaba.wire.response import encode_response
from otpconv.dialects.dialect import HttpResponse

_ROLE_ARN = re.compile(ROLE_ARN.pattern)
_SESSION_NAME = re.compile(ROLE_SESSION_NAME.pattern)
_SECONDS = re.compile(DURATION_SECONDS.pattern)


class RoleRequest(Struct, frozen=True):
    """The parameters of a call of AssumeRole.

    Attributes:
        account: the number of the account that has the role.
        role: the name of the role, as the caller writes it.
        session_name: the caller's name for the session.
        duration_s: how long the credentials are valid, s; None for the default.
        policy: a policy as JSON that restricts the session; empty for none.
    """

    account: int
    role: str
    session_name: str
    duration_s: int | None
    policy: str


def role_request(call: Call) -> RoleRequest:
    """Return the parameters of a call of AssumeRole.

    Raises:
        GatewayError: a parameter is missing or malformed.
    """
    get = call.parameters.get
    arn, session_name, duration = get("RoleArn", ""), get("RoleSessionName", ""), get("DurationSeconds", "")
    for name, value in (("RoleArn", arn), ("RoleSessionName", session_name)):
        if not value:
            raise missing(name)
    account, role = parse_role_arn(arn)
    if not _SESSION_NAME.fullmatch(session_name):
        raise _wrong(ROLE_SESSION_NAME)
    if duration and not _SECONDS.fullmatch(duration):
        raise _wrong(DURATION_SECONDS)
    duration_s = int(duration) if duration else None
    return RoleRequest(account, role, session_name, duration_s, get("Policy", ""))


def parse_role_arn(text: str) -> tuple[int, str]:
    """Return the account number and the role name, as written, of an ARN such as `acs:ram::1:role/name`.

    Raises:
        GatewayError: the text is not an ARN of a role.
    """
    match = _ROLE_ARN.fullmatch(text)
    if match is None:
        raise _wrong(ROLE_ARN)
    return int(match[1]), match[2]


def _wrong(parameter: Parameter) -> GatewayError:
    return GatewayError(f"InvalidParameter.{parameter.name}", f"It must be {parameter.must_be}.")


def assumed(
    call: Call,
    request_id: str,
    *,
    access_key_id: str,
    secret: str,
    security_token: str,
    expires_at: int,
    arn: str,
    assumed_role_id: str,
) -> HttpResponse:
    """Return the response with the temporary credentials.

    Args:
        call: the call of AssumeRole.
        request_id: the id of the request in the log.
        access_key_id: the AccessKeyId of the credentials.
        secret: the AccessKeySecret of the credentials.
        security_token: the token of the credentials.
        expires_at: when they expire, ms UTC; a whole second, since clients can't read fractions.
        arn: the ARN of the session.
        assumed_role_id: the id of the session.
    """
    expiration = datetime.fromtimestamp(expires_at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    members: dict[str, object] = {
        "RequestId": request_id,
        "AssumedRoleUser": {"Arn": arn, "AssumedRoleId": assumed_role_id},
        "Credentials": {
            "AccessKeyId": access_key_id,
            "AccessKeySecret": secret,
            "SecurityToken": security_token,
            "Expiration": expiration,
        },
    }
    return encode_response(200, members, request_id, root="AssumeRoleResponse", xml=call.xml)

"""AssumeRole at the RPC endpoint: returns temporary credentials to a caller who may assume the role."""

from typing import Final

from starlette.types import Scope

from otpconv.access.keys import AccessKey, Role
from otpconv.access.policies.document import parse_document
from otpconv.access.sts.tokens import MAX_POLICY_CHARS, assumed_role_arn, role_arn
from otpconv.dialects import alibaba
from otpconv.dialects.alibaba import Call, GatewayError, RoleRequest
from otpconv.dialects.dialect import HttpResponse
from otpconv.errors import InvalidRequest, NotFound
from otpconv.service.compose import Service
from otpconv.web.front.gate import Gate

#: The action that a policy must allow.
ASSUME_ROLE: Final = "sts:AssumeRole"


def assume_role(
    service: Service, gate: Gate, call: Call, key: AccessKey, *, scope: Scope, request_id: str, now: int
) -> HttpResponse:
    """Return the response to a verified call of AssumeRole.

    It must not be sent before it is durable that the call was made: see `OnceGuard`.

    Raises:
        GatewayError: a parameter is missing or malformed, or there is no such role.
        AccessDenied: the caller may not assume the role.
        Throttled: the caller is over a limit.
    """
    wanted = alibaba.role_request(call)
    role = _role(service, key, wanted)
    # Policies spell a role as it was created. A caller who may not assume roles can't find out which exist.
    gate.admit(key, ASSUME_ROLE, scope, now, role_arn(wanted.account, role.name if role else wanted.role))
    if role is None:
        raise GatewayError("EntityNotExist.Role", "See: otpconv roles list")
    _check_policy(wanted.policy)
    try:
        credentials = service.sessions.assume(
            role,
            session_name=wanted.session_name,
            policy=wanted.policy,
            duration_s=wanted.duration_s,
            now=now,
        )
    except InvalidRequest as error:
        raise GatewayError("InvalidParameter.DurationSeconds", error.text) from None
    return alibaba.assumed(
        call,
        request_id,
        access_key_id=credentials.access_key_id,
        secret=credentials.secret,
        security_token=credentials.security_token,
        expires_at=credentials.expires_at,
        arn=assumed_role_arn(role.account, role.name, wanted.session_name),
        # The time of creation tells a role from an earlier one of the same name.
        assumed_role_id=f"{role.created_at}:{wanted.session_name}",
    )


def _role(service: Service, key: AccessKey, wanted: RoleRequest) -> Role | None:
    # The role of another account is treated as missing.
    if wanted.account != key.account:
        return None
    try:
        return service.keys.role(wanted.account, wanted.role)
    except NotFound:
        return None


def _check_policy(policy: str) -> None:
    if len(policy) > MAX_POLICY_CHARS:
        raise GatewayError("InvalidParameter.PolicyGrammar", f"It has at most {MAX_POLICY_CHARS} characters.")
    if policy:
        try:
            parse_document(policy)
        except InvalidRequest as error:
            raise GatewayError("InvalidParameter.PolicyGrammar", error.text) from None

"""Who may do what, and why: the decision of the policies for a request that somebody describes."""

from collections.abc import Sequence
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from otpconv.access.policies.cautions import ACTIONS, decision_cautions
from otpconv.access.policies.evaluation import (
    AccessRequest,
    AttachedPolicy,
    decide,
    explain_decision,
    global_keys,
)
from otpconv.clock import Clock
from otpconv.errors import InvalidRequest
from otpconv.service.administration import Stores
from otpconv.times import parse_time
from otpconv.web.pages.administration.desk import MAX_ROWS, Desk
from otpconv.web.pages.visitors import Visitor

PERMISSIONS_PATH: Final = "/administration/permissions"

#: Characters of a field of the form.
MAX_FIELD_CHARS: Final = 1_024

_FIELDS: Final = ("action", "holder", "resource", "source_ip", "secure", "user_agent", "at")


class Verdict(Struct, frozen=True):
    """Whether a user or a role may do something.

    Attributes:
        kind: `user` or `role`.
        name: of the user or the role.
        allowed: whether it may.
        explanation: which statement of which policy decides.
        cautions: names in its policies that this server does not have.
    """

    kind: str
    name: str
    allowed: bool
    explanation: str
    cautions: list[str]


class PermissionsPage:
    """`/administration/permissions`."""

    def __init__(self, desk: Desk, clock: Clock) -> None:
        """Create the page.

        Args:
            desk: reads users, roles and policies.
            clock: the time now.
        """
        self._desk = desk
        self._clock = clock

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Answer with the form and, once an action is given, with who may do it."""
        given = {name: request.query_params.get(name, "")[:MAX_FIELD_CHARS].strip() for name in _FIELDS}
        account = visitor.key.account_name
        verdicts: list[Verdict] = []
        count, problem, field = 0, "", ""
        names = await self._desk.read(
            lambda stores: [f"{kind} {name}" for kind, name, _ in _holders(stores, account)]
        )
        if given["action"]:
            field = "source_ip"
            try:
                source_ip = _address(given["source_ip"] or "127.0.0.1")
                field = "at"
                now = self._clock()
                at = parse_time(given["at"], now=now, tz=visitor.zone) if given["at"] else now
                field = "action"
                asked = _asked(given, source_ip, at)
                verdicts, count = await self._desk.read(
                    lambda stores: _verdicts(_holders(stores, account), given["holder"], asked)
                )
            except InvalidRequest as error:
                problem = error.text
        return self._desk.page(
            "administration_permissions.html",
            PERMISSIONS_PATH,
            visitor,
            status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
            given=given,
            holders=names[:MAX_ROWS],
            actions=ACTIONS,
            verdicts=verdicts,
            count=count,
            problem=problem,
            field=field,
        )


def _asked(given: dict[str, str], source_ip: str, at: int) -> AccessRequest:
    context = global_keys(
        source_ip=source_ip,
        now=at,
        secure_transport=bool(given["secure"]),
        user_agent=given["user_agent"],
    )
    return AccessRequest(given["action"], given["resource"] or "*", context)


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise InvalidRequest(
            f"Invalid source address {text[:40]!r}. Use an IP address such as 203.0.113.7."
        ) from None


def _holders(stores: Stores, account: str) -> list[tuple[str, str, Sequence[AttachedPolicy]]]:
    users = [("user", user.name, user.grants.policies) for user in stores.directory.users(account)]
    roles = [("role", role.name, role.grants.policies) for role in stores.directory.roles(account)]
    return [*users, *roles]


def _verdicts(
    holders: Sequence[tuple[str, str, Sequence[AttachedPolicy]]], wanted: str, asked: AccessRequest
) -> tuple[list[Verdict], int]:
    """Return the verdicts on one holder, or on all, and how many holders there are."""
    found = [each for each in holders if wanted in {"", f"{each[0]} {each[1]}"}]
    if wanted and not found:
        raise InvalidRequest(f"The account has no {wanted}. Choose one from the list.")
    verdicts = []
    for kind, name, policies in found[:MAX_ROWS]:
        decision = decide(policies, asked)
        words = explain_decision(decision, asked)
        verdicts.append(
            Verdict(kind, name, decision.allowed, words, decision_cautions(asked.action, policies))
        )
    return verdicts, len(found)

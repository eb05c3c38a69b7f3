"""Who may do what, and why: the decision of the policies for a request that somebody describes."""

from collections.abc import Sequence
from http import HTTPStatus
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
        count, problem = 0, ""
        names = await self._desk.read(
            lambda stores: [f"{kind} {name}" for kind, name, _ in _holders(stores, account)]
        )
        if given["action"]:
            try:
                asked = self._asked(given)
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
        )

    def _asked(self, given: dict[str, str]) -> AccessRequest:
        now = self._clock()
        context = global_keys(
            source_ip=given["source_ip"] or "127.0.0.1",
            now=parse_time(given["at"], "Time", now=now) if given["at"] else now,
            secure_transport=bool(given["secure"]),
            user_agent=given["user_agent"],
        )
        return AccessRequest(given["action"], given["resource"] or "*", context)


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

"""`/v1/alert-targets`: where alerts are sent to."""

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from otpconv.service.alert_targets import TargetState
from otpconv.web.v1.handlers import ChangingHandlers, json_response
from otpconv.web.v1.target_types import (
    TARGETS_PATH,
    TargetDeleted,
    TargetIn,
    TargetRetried,
    TargetsOut,
    TargetTested,
    target_out,
)

_MANAGE: Final = "otpconv:ManageAlertTargets"


class TargetsApi(ChangingHandlers):
    """The handlers of `/v1/alert-targets`. The disk is used beside the event loop."""

    def routes(self) -> "list[Route]":
        """Return the routes of the handlers."""
        return [
            Route(TARGETS_PATH, self.post, methods=["POST"]),
            Route(TARGETS_PATH, self.list, methods=["GET"]),
            Route(f"{TARGETS_PATH}/{{name}}", self.get, methods=["GET"]),
            Route(f"{TARGETS_PATH}/{{name}}", self.delete, methods=["DELETE"]),
            Route(f"{TARGETS_PATH}/{{name}}/retry", self.retry, methods=["POST"]),
            Route(f"{TARGETS_PATH}/{{name}}/test", self.test, methods=["POST"]),
        ]

    async def post(self, request: Request) -> Response:
        """Create a target."""
        key = self._caller(request, _MANAGE)
        given = await self._read_json(request, key, TargetIn)

        def create() -> TargetState:
            return self._service.alert_targets.create(
                key.account, given.name, given.kind, values=given.settings, rules=given.rules
            )

        subject = f"target {given.name[:64]}"
        made = await self._make_change(request, key, "CreateAlertTarget", subject, create)
        return json_response(target_out(made), status=201)

    async def list(self, request: Request) -> Response:
        """Answer with the targets."""
        key = self._caller(request, _MANAGE)
        states = await asyncio.to_thread(self._service.alert_targets.states, key.account)
        return json_response(TargetsOut([target_out(state) for state in states]))

    async def get(self, request: Request) -> Response:
        """Answer with one target."""
        key = self._caller(request, _MANAGE)
        state = await asyncio.to_thread(
            self._service.alert_targets.state, key.account, request.path_params["name"]
        )
        return json_response(target_out(state))

    async def delete(self, request: Request) -> Response:
        """Delete a target."""
        key = self._caller(request, _MANAGE)
        name = request.path_params["name"]

        def delete() -> None:
            self._service.alert_targets.delete(key.account, name)

        await self._make_change(request, key, "DeleteAlertTarget", f"target {name[:64]}", delete)
        return json_response(TargetDeleted(name))

    async def retry(self, request: Request) -> Response:
        """Let notifications that were given up wait again."""
        key = self._caller(request, _MANAGE)
        name = request.path_params["name"]

        def retry() -> TargetRetried:
            return TargetRetried(self._service.alert_targets.retry(key.account, name))

        retried = await self._make_change(request, key, "RetryAlertTarget", f"target {name[:64]}", retry)
        return json_response(retried)

    async def test(self, request: Request) -> Response:
        """Send a test notification; the audit trail gets a line, since it reaches out."""
        key = self._caller(request, _MANAGE)
        name = request.path_params["name"]

        def test() -> TargetTested:
            tested = self._service.alert_targets.test(key.account, name)
            return TargetTested(tested.sent, tested.text)

        tested = await self._make_change(request, key, "TestAlertTarget", f"target {name[:64]}", test)
        return json_response(tested)

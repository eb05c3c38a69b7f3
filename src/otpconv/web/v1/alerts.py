"""`/v1/alerts`: lists alerts, and lets users acknowledge and snooze them."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, get_args

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from otpconv.access.keys import AccessKey
from otpconv.errors import InvalidRequest, NotFound
from otpconv.parameters import parse_once
from otpconv.storage.alerts.contract import LASTING, MAX_ALERTS, Alert, State
from otpconv.times import parse_time
from otpconv.web.v1.alert_types import ALERTS_PATH, AcknowledgeIn, AlertsOut, SnoozeIn, alert_out
from otpconv.web.v1.handlers import ChangingHandlers, json_response

#: The actions for policies.
GET, MANAGE = "otpconv:GetAlerts", "otpconv:ManageAlerts"
#: All states.
STATES: Final[tuple[State, ...]] = get_args(State)
#: The longest id, digits.
_ID_DIGITS: Final = 15
_PARAMETERS: Final = ("state", "before", "limit")


class Asked(Struct, frozen=True):
    """Which alerts are asked for.

    Attributes:
        states: those of the alerts.
        before: an id; None begins with the newest alert.
        limit: how many at most.
    """

    states: tuple[State, ...] = LASTING
    before: int | None = None
    limit: int = MAX_ALERTS


class AlertsApi(ChangingHandlers):
    """The handlers of `/v1/alerts`. The disk is used beside the event loop."""

    def routes(self) -> list[Route]:
        """Return the routes of the handlers."""
        return [
            Route(ALERTS_PATH, self.list, methods=["GET"]),
            Route(f"{ALERTS_PATH}/{{id}}/acknowledge", self.acknowledge, methods=["POST"]),
            Route(f"{ALERTS_PATH}/{{id}}/snooze", self.snooze, methods=["POST"]),
        ]

    async def list(self, request: Request) -> Response:
        """Answer with the newest alerts in some states."""
        key = self._caller(request, GET)
        asked = parse_asked(request.query_params.multi_items())
        alerts = await asyncio.to_thread(
            self._service.alerts.alerts, key.account, asked.states, before=asked.before, limit=asked.limit
        )
        return json_response(AlertsOut([alert_out(alert) for alert in alerts]))

    async def acknowledge(self, request: Request) -> Response:
        """Let a user acknowledge an alert."""
        key = self._caller(request, MANAGE)
        given = await self._read_json(request, key, AcknowledgeIn, 'JSON, e.g. {"note": "acme is on it"}')
        alert, now = alert_id(request), self._service.clock()

        def acknowledge() -> Alert:
            return known(
                alert,
                self._service.alerts.acknowledge(key.account, alert, key.display_name, given.note, now=now),
            )

        return await self._change(request, key, "AcknowledgeAlert", alert, acknowledge)

    async def snooze(self, request: Request) -> Response:
        """Let a user snooze an alert."""
        key = self._caller(request, MANAGE)
        given = await self._read_json(request, key, SnoozeIn, 'JSON, e.g. {"for_ms": 7200000}')
        alert, now = alert_id(request), self._service.clock()
        until = _until(given, now)

        def snooze() -> Alert:
            return known(
                alert,
                self._service.alerts.snooze(
                    key.account, alert, key.display_name, given.note, now=now, until=until
                ),
            )

        return await self._change(request, key, "SnoozeAlert", alert, snooze)

    async def _change(
        self, request: Request, key: AccessKey, what: str, alert: int, work: Callable[[], Alert]
    ) -> Response:
        changed = await self._make_change(request, key, what, f"alert {alert}", work)
        return json_response(alert_out(changed))


def parse_asked(parameters: Iterable[tuple[str, str]]) -> Asked:
    """Return which alerts the parameters of a URL ask for.

    Raises:
        InvalidRequest: a parameter is unknown, repeated or malformed.
    """
    given = parse_once(parameters, _PARAMETERS)
    names = given["state"].split(",") if "state" in given else LASTING
    states = tuple(state for state in STATES if state in names)
    if unknown := [name for name in names if name not in STATES]:
        raise InvalidRequest(
            f"Invalid state {unknown[0][:40]!r}. Use {', '.join(STATES)}, or several of them."
        )
    before = _whole(given["before"]) if "before" in given else None
    if before is None and "before" in given:
        raise InvalidRequest(f"Invalid before {given['before'][:40]!r}. Use the id of an alert.")
    limit = _whole(given.get("limit", str(MAX_ALERTS)))
    if limit is None or not 1 <= limit <= MAX_ALERTS:
        raise InvalidRequest(f"Invalid limit {given['limit'][:40]!r}. Use 1 to {MAX_ALERTS}.")
    return Asked(states, before, limit)


def alert_id(request: Request) -> int:
    """Return the id in the path of a request.

    Raises:
        NotFound: it is not a whole number.
    """
    text = request.path_params["id"]
    number = _whole(text)
    if number is None:
        raise NotFound(f"There is no alert {text[:40]!r}. Ids are whole numbers.")
    return number


def known(alert: int, found: Alert | None) -> Alert:
    """Return an alert that was looked up by its id.

    Raises:
        NotFound: there is none.
    """
    if found is None:
        raise NotFound(f"There is no alert {alert}. GET {ALERTS_PATH}?state={','.join(STATES)} lists them.")
    return found


def _until(given: SnoozeIn, now: int) -> int:
    if (given.until is None) == (given.for_ms is None):
        raise InvalidRequest('Give either until or for_ms, e.g. {"for_ms": 7200000} for two hours.')
    if given.for_ms is not None:
        return now + given.for_ms
    return parse_time(str(given.until), "until", now=now)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _ID_DIGITS else None

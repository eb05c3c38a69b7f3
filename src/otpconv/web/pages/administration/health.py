"""The page of the server's health."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from otpconv.service.compose import Service
from otpconv.web.pages.administration.desk import Desk
from otpconv.web.pages.visitors import Visitor

HEALTH_PATH: Final = "/administration/health"


class HealthPage:
    """`/administration/health`."""

    def __init__(self, desk: Desk, service: Service) -> None:
        """Create the page.

        Args:
            desk: lays the page out.
            service: whose health it shows.
        """
        self._desk = desk
        self._service = service

    async def show(self, _: Request, visitor: Visitor) -> Response:
        """Answer with the readiness, the lag, the disk, the housekeeping and the versions."""
        return self._desk.page(
            "administration_health.html",
            HEALTH_PATH,
            visitor,
            health=await self._service.health(),
            now=self._service.clock(),
        )

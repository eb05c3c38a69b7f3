"""The process that draws: what it is given, and what not."""

import asyncio
from pathlib import Path

import pytest

from otpconv.rates.timeline import Chart, Slot
from otpconv.web.drawing import Drawer

SECRETS = {
    "OTPCONV_SEALING_KEY": "a-sealing-key",
    "OTPCONV_ACCESS_KEY_SECRET": "an-access-key",
    "DATABASE_URL": "a-password",
    "AWS_SECRET_ACCESS_KEY": "another",
}


def test_the_process_that_draws_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)

    def environment_of(drawer: Drawer) -> bytes:
        assert drawer._process is not None  # noqa: SLF001 - who it is, is told nowhere else
        return Path(f"/proc/{drawer._process.pid}/environ").read_bytes()  # noqa: SLF001

    async def environment_of_the_drawer() -> tuple[bytes, bytes]:
        drawer = Drawer()
        drawn = await drawer.draw(Chart([Slot(0, 0.5, 0.4, 0.6, 0.5, 2, 1)], 60_000))
        given = environment_of(drawer)
        await drawer.stop()
        return drawn, given

    drawn, given = asyncio.run(environment_of_the_drawer())
    assert drawn.startswith(b"<svg")
    assert b"PATH=" in given
    for name, value in SECRETS.items():
        assert name.encode() not in given
        assert value.encode() not in given

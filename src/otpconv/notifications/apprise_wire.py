"""Notifies by apprise, in a process of its own for each notification."""

import subprocess
import sys
from collections.abc import Mapping
from typing import Final

import msgspec

from otpconv.access.alert_targets import AlertTarget
from otpconv.config import environment
from otpconv.delivery.transport import DELIVERED, Fate, Outcome
from otpconv.notifications.message import DEADLINE_MS, Message
from otpconv.notifications.text import body, title

URL: Final = "url"
_MODULE: Final = "otpconv.notifications.apprise_process"


class AppriseWire:
    """See `Wire`.

    Args:
        target: of the kind `apprise`.
        public_url: see `text.body`.
    """

    def __init__(self, target: AlertTarget, public_url: str | None) -> None:
        self._target = target
        self._public_url = public_url

    def send(self, message: Message, now: int) -> Outcome:  # noqa: ARG002 - see `Wire.send`
        """See `Wire.send`."""
        single = len(message.items) == 1
        request = {
            "url": self._target.secrets[URL],
            "key": message.key,
            "incident": f"otpconv-{message.items[0].alert.id}" if single else message.key,
            "severity": _severity(message),
            "title": title(message),
            "texts": {
                "text": body(message, "text", self._public_url),
                "markdown": body(message, "markdown", self._public_url),
            },
        }
        error = _run(request)
        return DELIVERED if not error else Outcome(Fate.FAILED, "", error)


def check_url(url: str) -> str:
    """Return why a URL can't be used; empty if it can."""
    return _run({"url": url, "check": True})


def _run(request: Mapping[str, object]) -> str:
    """Run the process, and return what went wrong; empty: nothing."""
    others = {name: value for name, value in environment().items() if not name.startswith("OTPCONV_")}
    try:
        process = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", _MODULE],
            input=msgspec.json.encode(request),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the library may log secrets
            env=others,
            timeout=DEADLINE_MS / 1000,
            check=True,
        )
        return str(msgspec.json.decode(process.stdout)["error"])
    except subprocess.TimeoutExpired:
        return "no answer in time"
    except (subprocess.SubprocessError, OSError, msgspec.MsgspecError, KeyError) as error:
        return f"apprise can't be run ({type(error).__name__}): is otpconv[server] installed?"


def _severity(message: Message) -> str:
    if message.items and all(item.kind == "resolved" for item in message.items):
        return "success"
    critical = any(item.alert.found.severity == "critical" for item in message.items)
    return "failure" if critical else "warning"

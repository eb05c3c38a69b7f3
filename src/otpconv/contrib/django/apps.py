"""The app as Django finds it, and what `manage.py check` says of its setting."""

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from otpconv.errors import Misconfigured
from otpconv.reporter import MEMORY, Reporter


class OtpconvConfig(AppConfig):  # type: ignore[misc] # Django ships no types
    """Has no models and no signals, only the check."""

    name = "otpconv.contrib.django"
    label = "otpconv"

    def ready(self) -> None:
        """Register the check."""
        checks.register(check_setting)


def check_setting(**_: object) -> list[checks.CheckMessage]:
    """Say what a Reporter would say to the setting OTPCONV, without a spool of its own.

    Missing settings cause a warning: images are built, and migrations run, where there are no keys.
    """
    options = getattr(settings, "OTPCONV", {})
    if not isinstance(options, dict):
        text = f"The setting OTPCONV is a dict of arguments of Reporter, not {type(options).__name__}"
        return [checks.Error(text, id="otpconv.E001")]
    try:
        Reporter(**options | {"spool": MEMORY})
    except (TypeError, Misconfigured) as error:
        return [checks.Error(f"The setting OTPCONV is wrong: {error}", id="otpconv.E001")]
    except ValueError as error:
        return [checks.Warning(f"Nothing is reported: {error}", id="otpconv.W001")]
    return []

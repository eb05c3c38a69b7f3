"""Flask: the extension, with an application at once and with one that comes later."""

import time
from collections.abc import Callable

import pytest
from flask import Flask

from otpconv.contrib.flask import Otpconv, current_reporter


def application(options: dict[str, str]) -> Flask:
    """An application whose configuration holds the reporter's arguments."""
    app = Flask(__name__)
    app.config.update({f"OTPCONV_{name.upper()}": value for name, value in options.items()})

    @app.post("/send/<message_id>")
    def send(message_id: str) -> str:
        current_reporter.requested(message_id, to="+4915112345678", provider="acme")
        return ""

    @app.post("/verified/<message_id>")
    def verified(message_id: str) -> str:
        current_reporter.report(message_id)
        return ""

    return app


def test_views_report_through_the_reporter_of_their_application(
    options: dict[str, str], arrived: Callable[[int, int], None]
) -> None:
    app = application(options)
    Otpconv(app)
    browser = app.test_client()
    browser.post("/send/a")
    browser.post("/send/b")
    time.sleep(0.002)  # a user takes longer
    browser.post("/verified/a")
    arrived(2, 1)


def test_one_extension_gives_each_application_a_reporter_of_its_own(options: dict[str, str]) -> None:
    extension = Otpconv()
    first, second = application(options), application(options | {"spool": ":memory:"})
    for app in (first, second):
        extension.init_app(app)
    first.test_client().post("/send/a")
    with first.app_context():
        assert current_reporter.stats().reported == 1
    with second.app_context():
        assert current_reporter.stats().reported == 0


def test_a_misspelt_name_is_told_when_the_application_is_made(options: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="spol"):
        Otpconv(application(options | {"spol": "folder"}))

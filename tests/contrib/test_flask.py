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


@pytest.mark.parametrize("options", [{}, {"endpoint": ""}, {"access_key_id": "id"}, {"disabled": True}])
def test_without_an_endpoint_an_application_works_and_the_log_says_so_once(
    options: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    app = application({})
    app.config.update({f"OTPCONV_{name.upper()}": value for name, value in options.items()})
    Otpconv(app)
    browser = app.test_client()
    assert [browser.post(f"/{path}/a").status_code for path in ("send", "verified")] == [200, 200]
    with app.app_context():
        assert (current_reporter.stats().disabled, current_reporter.stats().lost) == (True, {"disabled": 2})
    assert caplog.text.count("nothing is reported: no endpoint") == 1
    assert len(caplog.records) == 1


def test_an_endpoint_without_a_whole_key_is_told_when_the_application_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValueError, match="no access key"):
        Otpconv(application({"endpoint": "http://127.0.0.1:9"}))
    monkeypatch.setenv("OTPCONV_ACCESS_KEY_ID", "another")
    monkeypatch.setenv("OTPCONV_ACCESS_KEY_SECRET", "secret")
    with pytest.raises(ValueError, match="the environment holds another key"):
        Otpconv(application({"endpoint": "http://127.0.0.1:9", "access_key_id": "id"}))


def test_half_a_key_in_the_configuration_is_completed_by_the_environment(
    options: dict[str, str], monkeypatch: pytest.MonkeyPatch, arrived: Callable[[int, int], None]
) -> None:
    monkeypatch.setenv("OTPCONV_ACCESS_KEY_SECRET", options.pop("access_key_secret"))
    monkeypatch.delenv("OTPCONV_ACCESS_KEY_ID", raising=False)
    app = application(options)
    Otpconv(app)
    app.test_client().post("/send/a")
    arrived(1, 0)

"""Django: the reporter in views and tests, and what `manage.py check` says of its setting."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import django
import pytest
from django.conf import settings
from django.core import checks
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from otpconv.contrib.django import reporter

settings.configure(
    ALLOWED_HOSTS=["testserver"],
    INSTALLED_APPS=["otpconv.contrib.django"],
    ROOT_URLCONF=__name__,
)
django.setup()


def send(_: HttpRequest, message_id: str) -> HttpResponse:
    reporter.requested(message_id, to="+4915112345678", provider="acme")
    return HttpResponse()


async def verified(_: HttpRequest, message_id: str) -> HttpResponse:
    reporter.report(message_id)
    return HttpResponse()


urlpatterns = [path("send/<message_id>", send), path("verified/<message_id>", verified)]


@pytest.fixture
def overridden(options: dict[str, str]) -> Iterator[None]:
    """The setting as a test of an application has it."""
    with override_settings(OTPCONV=options):
        yield


@pytest.mark.usefixtures("overridden")
def test_views_report_through_the_reporter_of_the_setting(arrived: Callable[[int, int], None]) -> None:
    browser = Client()
    browser.get("/send/a")
    browser.get("/send/b")
    time.sleep(0.002)  # a user takes longer
    browser.get("/verified/a")
    arrived(2, 1)


def test_an_overridden_setting_makes_another_reporter_and_closes_the_one_before(
    options: dict[str, str], arrived: Callable[[int, int], None]
) -> None:
    with override_settings(OTPCONV=options | {"spool": ":memory:"}):
        reporter.requested("a")
        assert reporter.stats().reported == 1
    with override_settings(OTPCONV=options):
        assert reporter.stats().reported == 0
    arrived(1, 0)


def test_without_the_setting_the_environment_says_it(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, arrived: Callable[[int, int], None]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with override_settings(OTPCONV={}):
        del settings.OTPCONV
        reporter.requested("a")
        arrived(1, 0)


@pytest.mark.usefixtures("overridden")
def test_a_complete_setting_passes_the_check() -> None:
    assert checks.run_checks() == []


@pytest.mark.usefixtures("overridden")
def test_the_check_makes_no_spool(options: dict[str, str]) -> None:
    checks.run_checks()
    assert not Path(options["spool"]).exists()


def test_the_check_warns_where_nobody_is_told_where_to_report(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SPOOL"):
        monkeypatch.delenv(f"OTPCONV_{name}", raising=False)
    assert [found.id for found in checks.run_checks()] == ["otpconv.W001"]


@pytest.mark.parametrize("wrong", [{"spol": "folder"}, {"endpoint": 8080}])
def test_the_check_finds_a_wrong_setting(options: dict[str, str], wrong: dict[str, object]) -> None:
    with override_settings(OTPCONV=options | wrong):
        assert [found.id for found in checks.run_checks()] == ["otpconv.E001"]


def test_no_log_in_fails_for_want_of_a_key(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("OTPCONV_ACCESS_KEY_ID", raising=False)
    with override_settings(OTPCONV={"endpoint": "http://127.0.0.1:8080"}):
        assert Client().get("/send/a").status_code == 200
        assert reporter.stats().lost == {"disabled": 1}
    assert "nothing is reported: no access key" in caplog.text


def test_without_an_endpoint_views_work_and_the_log_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with override_settings(OTPCONV={}):
        assert [Client().get(f"/{path}/a").status_code for path in ("send", "verified")] == [200, 200]
        assert (reporter.stats().disabled, reporter.stats().lost) == (True, {"disabled": 2})
    assert caplog.text.count("nothing is reported: no endpoint") == 1


@pytest.mark.parametrize(
    "setting",
    [
        None,
        "http://127.0.0.1:9",
        {"spol": "folder"},
        {"endpoint": 8080},
        {"endpoint": "nats://host", "dialect": "soap"},
        {"endpoint": "nats://host?stream=not a name"},
    ],
)
def test_no_log_in_fails_for_a_wrong_setting_which_the_check_finds(
    setting: object, caplog: pytest.LogCaptureFixture
) -> None:
    with override_settings(OTPCONV=setting):
        assert Client().get("/send/a").status_code == 200
        assert reporter.stats().disabled
        assert "nothing is reported" in caplog.text
        assert next(found.id for found in checks.run_checks()) in {"otpconv.E001", "otpconv.W001"}


def test_what_is_disabled_on_purpose_passes_the_check() -> None:
    with override_settings(OTPCONV={"disabled": True}):
        assert checks.run_checks() == []

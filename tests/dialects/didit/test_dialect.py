"""Didit's feedback about messages."""

import json
from typing import Any

import pytest

from dialects.reading import ACCOUNT, KEY, NOW, SECRET, failure, read, refused, reports, request
from otpconv.dialects.didit.dialect import DiditDialect, FeedbackExists
from otpconv.errors import NotFound, Throttled, Unavailable
from otpconv.model import Conversion, Timing

DIDIT = DiditDialect()
ID = "3f6c9a52-8d1e-4b7a-9c20-5e1f7a3b8d44"
PATH = f"/v3/messages/{ID}/feedback/"
API_KEY = f"{KEY}:{SECRET}"


def asked(path: str = PATH, **feedback: object) -> Any:  # noqa: ANN401 - a request
    return request(path, feedback, x_api_key=API_KEY)


@pytest.mark.parametrize(
    ("feedback", "expected"),
    [
        ({"outcome": "converted"}, Conversion(ACCOUNT, True, NOW, ID, timing=Timing.ARRIVAL)),
        ({"outcome": "not_converted"}, Conversion(ACCOUNT, False, NOW, ID, timing=Timing.UNKNOWN)),
        (
            {"outcome": "converted", "occurred_at": "2026-11-21T10:04:00.250Z"},
            Conversion(ACCOUNT, True, 1_795_255_440_250, ID),
        ),
        (
            {"outcome": "not_converted", "occurred_at": "2026-11-21T12:04:00+02:00"},
            Conversion(ACCOUNT, False, 1_795_255_440_000, ID),
        ),
    ],
)
def test_an_outcome_is_a_conversion(feedback: dict[str, str], expected: Conversion) -> None:
    assert list(reports(DIDIT, asked(**feedback))) == [expected]
    assert list(reports(DIDIT, asked(PATH.rstrip("/"), **feedback))) == [expected]


def test_a_repeat_gets_409() -> None:
    sent = asked(outcome="converted")
    call = read(DIDIT, sent)
    response = DIDIT.success(call, "ID", ["recorded"], NOW)
    assert json.loads(response.body) == {"message_id": ID, "outcome": "converted", "occurred_at": None}
    with pytest.raises(FeedbackExists) as caught:
        DIDIT.success(call, "ID", ["unchanged"], NOW)
    answer = failure(DIDIT, caught.value, sent, call)
    assert (answer.status, json.loads(answer.body)["error"]) == (409, "feedback_exists")


@pytest.mark.parametrize(
    ("sent", "status", "error", "says"),
    [
        (
            request(PATH, {"outcome": "converted"}),
            401,
            "unauthorized",
            "x-api-key: AccessKeyId:AccessKeySecret",
        ),
        (asked(outcome="clicked"), 400, "invalid_request", "outcome"),
        (asked(), 400, "invalid_request", "outcome"),
        (
            asked(outcome="converted", occurred_at="2026-11-21T10:04:00"),
            400,
            "invalid_request",
            "occurred_at",
        ),
        (
            asked(outcome="converted", occurred_at="2026-12-21T10:04:00Z"),
            400,
            "invalid_request",
            "in the future",
        ),
        (
            asked("/v3/messages/a b/feedback/", outcome="converted"),
            400,
            "invalid_request",
            "message_id must be",
        ),
        (asked("/v3/messages/", to="+4915112345678"), 404, "not_found", "does not send messages"),
    ],
)
def test_a_refused_call_gets_an_error(sent: Any, status: int, error: str, says: str) -> None:  # noqa: ANN401 - a request
    found, body = refused(DIDIT, sent)
    assert (found, body["error"]) == (status, error)
    assert says in body["detail"]


@pytest.mark.parametrize(
    ("error", "status", "wait"),
    [
        (Throttled("Too many.", wait_ms=1), 429, b"1"),
        (Throttled("Too many.", wait_ms=2_001), 429, b"3"),
        (Unavailable("The storage failed."), 503, b"1"),
        (NotFound("Nothing."), 404, None),
    ],
)
def test_when_to_try_again_is_said_in_seconds(error: Exception, status: int, wait: bytes | None) -> None:
    answer = failure(DIDIT, error, asked())
    assert (answer.status, dict(answer.headers).get(b"retry-after")) == (status, wait)


def test_an_error_that_is_not_ours_keeps_its_text() -> None:
    assert b"secret" not in failure(DIDIT, ValueError("secret"), asked()).body

"""Prelude's feedbacks: which reports they become, and the vendor's errors."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from dialects.reading import ACCOUNT, KEY, NOW, SECRET, hashed, read, refused, reports, reports_of, request
from otpconv.dialects.prelude.dialect import PreludeDialect
from otpconv.dialects.prelude.feedbacks import SAME_START_MS
from otpconv.errors import NumberMismatch
from otpconv.model import Conversion, Dimensions, Requested, Timing

PRELUDE = PreludeDialect()
PATH = "/v2/watch/feedback"
TOKEN = f"Bearer {KEY}:{SECRET}"
NUMBER = "+4915112345670"
HASH = hashed(ACCOUNT, NUMBER)


def feedback(kind: str, correlation_id: str = "", number: str = NUMBER) -> dict[str, Any]:
    metadata = {"metadata": {"correlation_id": correlation_id}} if correlation_id else {}
    return {
        "target": {"type": "phone_number", "value": number},
        "type": f"verification.{kind}",
        **metadata,
    }


def asked(*feedbacks: Any) -> Any:  # noqa: ANN401 - JSON, and a request
    return request(PATH, {"feedbacks": feedbacks}, authorization=TOKEN)


def requested(message_id: str, at: int) -> Requested:
    dimensions = Dimensions("DE", "T-Mobile", access_key=KEY)
    return Requested(ACCOUNT, message_id, at, dimensions, HASH, "+491511234")


def test_the_correlation_id_is_the_message_id() -> None:
    found = reports(PRELUDE, asked(feedback("started", "login-1"), feedback("completed", "login-1")))
    assert list(found) == [
        requested("login-1", NOW - 1),
        Conversion(ACCOUNT, True, NOW, "login-1", HASH, Timing.ARRIVAL),
    ]


def test_a_completed_without_an_id_is_known_by_its_number() -> None:
    assert list(reports(PRELUDE, asked(feedback("completed")))) == [Conversion(ACCOUNT, True, NOW, "", HASH)]


def test_a_started_without_an_id_gets_one_that_repeats_with_the_call() -> None:
    call = read(
        PRELUDE, asked(feedback("started"), feedback("started"), feedback("started", number="+4915112345679"))
    )

    def ids(now: int) -> list[str]:
        return [report.message_id for report in reports_of(PRELUDE, call, now)]

    begin = NOW // SAME_START_MS * SAME_START_MS + 2
    assert len({*ids(begin), *ids(begin + SAME_START_MS - 3)}) == 3
    assert len({*ids(begin), *ids(begin + SAME_START_MS)}) == 6
    for message_id in ids(begin):
        assert HASH not in message_id
        assert "49151" not in message_id


@given(kinds=st.lists(st.sampled_from(["started", "completed"]), min_size=1, max_size=100))
def test_feedbacks_happened_in_their_order(kinds: list[str]) -> None:
    found = reports(PRELUDE, asked(*(feedback(kind, f"m{index}") for index, kind in enumerate(kinds))))
    times = [
        report.requested_at if isinstance(report, Requested) else report.conversion_time for report in found
    ]
    assert times == sorted(set(times))
    assert times[-1] == NOW


@pytest.mark.parametrize(
    ("sent", "status", "code", "says"),
    [
        ([], 400, "empty_batch", "at least one"),
        ([feedback("started")] * 101, 400, "batch_size_exceeded", "101 feedbacks. Send at most 100"),
        ([feedback("started", "x" * 65)], 400, "invalid_correlation_id", "feedbacks[0]"),
        ([feedback("started", "a b")], 400, "invalid_correlation_id", "printable ASCII"),
        (
            [feedback("started"), feedback("started", number="12")],
            400,
            "invalid_phone_number",
            "feedbacks[1]",
        ),
        ([feedback("failed")], 400, "bad_request", "verification.failed"),
        ([{"type": "verification.started"}], 400, "bad_request", "target"),
        (
            [feedback("started") | {"target": {"type": "email_address", "value": "a@b.example"}}],
            400,
            "bad_request",
            "email_address",
        ),
    ],
)
def test_a_wrong_feedback_is_named(sent: list[Any], status: int, code: str, says: str) -> None:
    found, body = refused(PRELUDE, asked(*sent))
    assert (found, body["code"], body["type"], body["request_id"]) == (status, code, "bad_request", "ID")
    assert says in body["message"]
    assert NUMBER not in body["message"]


@pytest.mark.parametrize(
    ("sent", "status", "code", "kind"),
    [
        (request(PATH, {"feedbacks": []}), 401, "invalid_bearer_token", "unauthorized"),
        (
            request(PATH, {"feedbacks": []}, authorization="Bearer sk_1"),
            401,
            "invalid_bearer_token",
            "unauthorized",
        ),
        (request(PATH, b"{", authorization=TOKEN), 400, "bad_request", "bad_request"),
        (
            request(PATH, b'{"feedbacks":' + b"[" * 5000, authorization=TOKEN),
            400,
            "bad_request",
            "bad_request",
        ),
        (request(PATH, b" " * 65_537, authorization=TOKEN), 413, "bad_request", "bad_request"),
        (request("/v2/verification", {}, authorization=TOKEN), 404, "not_found", "not_found"),
        (request("/v2/watch/predict", {}, authorization=TOKEN), 404, "not_found", "not_found"),
    ],
)
def test_a_refused_call_gets_the_vendors_error(sent: Any, status: int, code: str, kind: str) -> None:  # noqa: ANN401 - a request
    found, body = refused(PRELUDE, sent)
    assert (found, body["code"], body["type"]) == (status, code, kind)


def test_a_contradiction_names_the_feedback() -> None:
    call = read(PRELUDE, asked(feedback("completed", "a"), feedback("completed", "b")))
    with pytest.raises(
        NumberMismatch, match=r"feedbacks\[1\]: Another number. The other feedbacks were recorded"
    ):
        PRELUDE.success(call, "ID", ["recorded", NumberMismatch("Another number.")], NOW)

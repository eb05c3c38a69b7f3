"""The native API keeps what /openapi.json promises, whatever it is sent: schemathesis, over a socket."""

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from campaigns import rounds
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer

if TYPE_CHECKING:  # it takes 0.3 s to load, in each worker
    from schemathesis import BaseSchema, Case, CheckFunction

REPORTS = ["POST /v1/messages", "POST /v1/conversions"]
RATES = "GET /v1/rates"
ADVICE = "GET /v1/advice"
ANNOTATE, ANNOTATIONS = "POST /v1/annotations", "GET /v1/annotations"
UNANNOTATE = "DELETE /v1/annotations/{annotation_id}"
SEARCH = "POST /v1/messages/search"
CREATE, LETTERS = "POST /v1/vendors", "GET /v1/relay/{name}/dead-letters"
RETRY = "POST /v1/relay/{name}/retry"
RANGES, CHECK = "GET /v1/ranges", "POST /v1/check"
ALERTS, REPLAY = "GET /v1/alerts", "GET /v1/alerts/replay"
ACKNOWLEDGE, SNOOZE = "POST /v1/alerts/{id}/acknowledge", "POST /v1/alerts/{id}/snooze"
TARGET = "POST /v1/alert-targets"
RECEIPTS, PUSH = "POST /v1/vendors/{name}/receipts", "POST /hooks/{name}/{secret}"
BY_NAME = [
    "GET /v1/alerts/{id}",
    "GET /v1/alerts/{id}/ticket",
    "GET /v1/alert-targets/{name}",
    "DELETE /v1/alert-targets/{name}",
    "POST /v1/alert-targets/{name}/test",
    "POST /v1/alert-targets/{name}/retry",
    "DELETE /v1/vendors/{name}",
    "POST /v1/vendors/{name}/test",
    "POST /v1/relay/{name}/pause",
    "POST /v1/relay/{name}/resume",
]
# Nothing can be wrong with these: any text is the id of a message that may be known.
HARMLESS = [
    "GET /v1/messages/{message_id}",
    "GET /healthz",
    "GET /readyz",
    "GET /v1/vendors",
    "GET /v1/relay",
    "GET /v1/alert-targets",
]
TAKE_DATA = [
    *REPORTS,
    SEARCH,
    RATES,
    ADVICE,
    RANGES,
    CHECK,
    ALERTS,
    REPLAY,
    ACKNOWLEDGE,
    SNOOZE,
    ANNOTATE,
    ANNOTATIONS,
    CREATE,
    LETTERS,
    RETRY,
    TARGET,
    RECEIPTS,
]
CASES = [
    *((label, mode) for label in TAKE_DATA for mode in ("positive", "negative")),
    *((label, "positive") for label in [*HARMLESS, UNANNOTATE, PUSH, *BY_NAME]),
]
#: What a schema can't say: that the start is before the end, how a time is written, which texts are phone
#: numbers, which ids, names and kinds there are,
#: and that one of two members is given.
BEYOND_SCHEMAS = {
    (label, "positive")
    for label in (
        RATES,
        SEARCH,
        RANGES,
        CHECK,
        REPLAY,
        ACKNOWLEDGE,
        SNOOZE,
        ANNOTATE,
        ANNOTATIONS,
        UNANNOTATE,
        CREATE,
        LETTERS,
        RETRY,
        TARGET,
        RECEIPTS,
        PUSH,
        *BY_NAME,
    )
} | {(SNOOZE, "negative")}


@pytest.fixture(scope="module")
def api(server: LocalServer) -> "BaseSchema":
    import schemathesis  # noqa: PLC0415 - see above

    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    schema.config.generation.update(with_security_parameters=False)
    return schema


def operations(api: "BaseSchema") -> dict[str, Any]:
    return {each.ok().label: each.ok() for each in api.get_all_operations()}


def test_every_operation_is_tested_here(api: "BaseSchema") -> None:
    assert set(operations(api)) == {*TAKE_DATA, UNANNOTATE, PUSH, *BY_NAME, *HARMLESS}


@pytest.mark.parametrize(("label", "mode"), CASES)
def test_an_operation_answers_as_it_is_described(
    api: "BaseSchema", key: AccessKey, label: str, mode: str
) -> None:
    from schemathesis import GenerationMode  # noqa: PLC0415 - likewise
    from schemathesis.checks import CHECKS  # noqa: PLC0415 - likewise

    checks: list[CheckFunction] = CHECKS.get_all()
    excluded = []
    if (label, mode) in BEYOND_SCHEMAS:
        excluded = CHECKS.get_by_names(["positive_data_acceptance"])
    elif label in REPORTS:
        # A bad item does not make the call fail: it is rejected by its place, and so looked at below.
        excluded = CHECKS.get_by_names(["negative_data_rejection"])

    @settings(
        max_examples=rounds(80, at_least=5),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=operations(api)[label].as_strategy(generation_mode=GenerationMode(mode)))
    def conforms(case: "Case") -> None:
        answer = case.call_and_validate(
            auth=(key.access_key_id, key.secret), checks=checks, excluded_checks=excluded
        )
        if label in REPORTS and answer.status_code == 200 and case.media_type == "application/json":
            found = answer.json()
            (items,) = case.body.values()
            assert found["recorded"] + found["unchanged"] + len(found["rejected"]) == len(items)
            assert found["rejected"] or mode == "positive"

    conforms()

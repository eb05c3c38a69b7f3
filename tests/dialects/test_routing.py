"""Which dialect a request belongs to: exactly one claims it."""

from importlib import import_module
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from dialects.feedback import FeedbackDialect
from otpconv.dialects.alibaba import GatewayError
from otpconv.dialects.alibaba.dialect import AlibabaDialect
from otpconv.dialects.dialect import Dialect, HttpRequest
from otpconv.dialects.routing import AT_ROOT, DIALECTS, route
from otpconv.web.v1.openapi import document

OUR_PATHS = [
    *document("https://otp.example")["paths"],
    *("/openapi.json", "/dashboard", "/explorer", "/sign-in", "/static/x"),
]


def name_of(dialect: Dialect[Any]) -> str:
    """Return the name of the folder of a dialect, e.g. `alibaba`."""
    return type(dialect).__module__.split(".")[2]


def request(path: str = "/", body: bytes = b"", **fields: str) -> HttpRequest:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}
    return HttpRequest("POST", path, b"", named, body)


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (request(x_amz_target="PinpointSMSVoiceV2.PutMessageFeedback"), FeedbackDialect),
        (request(authorization="ACS3-HMAC-SHA256 ..."), AlibabaDialect),
        (request(), AlibabaDialect),
        (request("/v1/messages", x_amz_target="x"), type(None)),
        (request("/dashboard"), type(None)),
    ],
)
def test_a_request_belongs_to_the_dialect_that_its_header_names(asked: HttpRequest, kind: type) -> None:
    assert type(route(asked, (FeedbackDialect(), *DIALECTS))) is kind


def test_without_another_vendor_every_request_at_the_root_is_alibabas() -> None:
    assert type(route(request(x_some_target="x"))) is AlibabaDialect


@pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)
@settings(max_examples=50)
@given(data=st.data())
def test_exactly_one_dialect_claims_a_request(dialect: Dialect[Any], data: st.DataObject) -> None:
    """`requests()` in tests/dialects/NAME/requests.py makes requests of every kind that the dialect takes."""
    asked = data.draw(import_module(f"dialects.{name_of(dialect)}.requests").requests())
    assert (dialect in AT_ROOT) == (asked.path == "/")
    assert route(asked) is dialect
    # The last dialect at the root takes what no other one claims.
    others = [each for each in DIALECTS if each is not AT_ROOT[-1]]
    assert [each for each in others if each.claims(asked)] == [each for each in others if each is dialect]
    before_its_body = route(HttpRequest(asked.method, asked.path, asked.query, asked.fields))
    assert before_its_body is dialect or (dialect in AT_ROOT and before_its_body is AT_ROOT[-1])


@pytest.mark.parametrize("path", OUR_PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_no_dialect_claims_a_path_of_ours(method: str, path: str) -> None:
    assert route(HttpRequest(method, path, b"", {b"x-amz-target": b"x"})) is None


def test_alibaba_answers_a_request_that_it_cannot_read_in_the_format_that_it_asks_for() -> None:
    dialect = AlibabaDialect()
    for query, start in ((b"Format=JSON", b"{"), (b"", b"<?xml")):
        asked = HttpRequest("GET", "/", query, {b"host": b"otp.example"})
        with pytest.raises(GatewayError) as caught:
            dialect.read(asked)
        answer = dialect.failure(caught.value, "ID", request=asked, call=None, public_url="https://otp")
        assert answer.body.startswith(start)
        assert b"otp.example" in answer.body

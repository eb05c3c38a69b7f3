"""The filters and answers of Verify Attempts."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from otpconv.dialects.bodies import MAX_FIELDS
from otpconv.dialects.dialect import HttpRequest, UnknownOperation
from otpconv.dialects.twilio import attempts
from otpconv.dialects.twilio.attempts import Attempt, Filters, filters_of, message_of, sid_of
from otpconv.dialects.twilio.calls import LIST_ATTEMPTS, Call, read
from otpconv.errors import BadCredentials, BodyTooLarge, InvalidRequest, NotFound

NOW = 1_795_132_800_000
DAY_MS = 24 * 60 * 60 * 1000
IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=255)


def question(**parameters: str) -> Call:
    return Call(
        access_key_id="ID",
        secret="",
        permission=LIST_ATTEMPTS,
        path="/v2/Attempts",
        account="",
        service="",
        id="",
        parameters={name.replace("_", "."): value for name, value in parameters.items()},
    )


@given(IDS, IDS)
def test_each_message_has_a_sid_of_its_own_that_leads_back_to_it(message_id: str, other: str) -> None:
    sid = sid_of(message_id)
    assert sid.startswith("VL")
    assert message_of(sid) == message_id
    assert (sid_of(other) == sid) == (other == message_id)


@given(st.text(max_size=50) | st.text("VLabcdefgh01-_=").map(lambda text: f"VL{text}"))
def test_any_other_text_is_not_a_sid(text: str) -> None:
    try:
        message_id = message_of(text)
    except NotFound:
        return
    assert sid_of(message_id) == text


def test_without_filters_the_window_is_the_last_30_days() -> None:
    assert filters_of(question(), NOW) == Filters(NOW - 30 * DAY_MS, NOW)


def test_every_filter_has_its_meaning() -> None:
    asked = question(
        DateCreatedAfter="2026-11-01T00:00:00Z",
        DateCreatedBefore="2026-11-02T02:00:00+02:00",
        ChannelData_To="+49 151",
        Country="de",
        Channel="call",
        VerifyServiceSid="VA1",
        VerificationSid="VE1",
        Status="unconverted",
        DestinationPrefix="49151",
    )
    start = 1_793_491_200_000
    assert filters_of(asked, NOW) == Filters(
        start,
        start + DAY_MS,
        to="+49 151",
        countries=("DE",),
        channels=("voice", "call"),
        senders=("VA1",),
        message_id="VE1",
        verified=False,
        prefix="+49151",
    )


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"DateCreatedAfter": "yesterday"}, "DateCreatedAfter 'yesterday'"),
        ({"DateCreatedBefore": "9999-99-99"}, "DateCreatedBefore"),
        ({"DateCreatedAfter": "2030-01-01T00:00:00Z"}, "must be before"),
        ({"Status": "pending"}, "converted or unconverted"),
        ({"Channel": "pigeon"}, "sms, call, email, whatsapp, rbm"),
        ({"Country": "Germany"}, "ISO 3166"),
        ({"DestinationPrefix": "0049"}, "country code"),
        ({"DestinationPrefix": "+12345678901"}, "1 to 10 digits"),
    ],
)
def test_a_malformed_filter_is_refused_in_words(parameters: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        filters_of(question(**parameters), NOW)


@given(
    st.dictionaries(
        st.sampled_from(["DateCreatedAfter", "Country", "Channel", "Status", "PageSize"]), st.text()
    )
)
def test_any_text_is_read_or_refused(parameters: dict[str, str]) -> None:
    try:
        filters = filters_of(question(**parameters), NOW)
        size = attempts.page_size(question(**parameters))
    except InvalidRequest:
        return
    assert filters.start < filters.end
    assert 1 <= size <= attempts.MAX_PAGE


@pytest.mark.parametrize("text", ["0", "-1", "x", "1" * 20])
def test_a_malformed_place_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        attempts.page_size(question(PageSize=text))
    if text != "0":
        with pytest.raises(InvalidRequest):
            attempts.page_token(question(PageToken=text))


def test_the_largest_page_is_small() -> None:
    wide = "~" * 255
    text = "\u00e9" * 64
    largest = Attempt(wide, NOW, NOW, True, "DE", text, text[:32], wide, "+4915112345678")
    page = attempts.page(
        question(), [largest] * attempts.MAX_PAGE, "https://" + "h" * 253, attempts.MAX_PAGE, 7
    )
    assert len(page.body) < 128 * 1024


@given(st.integers(0, 10_000), st.data())
def test_the_percentage_is_of_the_attempts_and_null_without_any(requested: int, data: st.DataObject) -> None:
    verified = data.draw(st.integers(0, requested))
    told: dict[str, Any] = json.loads(attempts.summary(question(), requested, verified, "http://x").body)
    share = told["conversion_rate_percentage"]
    assert told["total_converted"] + told["total_unconverted"] == told["total_attempts"] == requested
    if requested:
        assert share == pytest.approx(100 * verified / requested, abs=0.0051)
    else:
        assert share is None


LOGIN = {b"authorization": b"Basic SUQ6c2VjcmV0"}


def test_a_call_has_its_login_and_its_parameters() -> None:
    path = "/2010-04-01/Accounts/AC1/Messages/a/b/Feedback.json"
    call = read(HttpRequest("POST", path, b"Outcome=no", LOGIN, b"Outcome=confirmed&Other="))
    assert (call.access_key_id, call.secret, call.account, call.id) == ("ID", "secret", "AC1", "a/b")
    assert call.parameters == {"Outcome": "confirmed", "Other": ""}
    assert "secret" not in repr(call)


@pytest.mark.parametrize(
    ("method", "path", "fields", "body", "error"),
    [
        ("GET", "/2010-04-01/Accounts/AC1/Messages/SM1/Feedback.json", LOGIN, b"", UnknownOperation),
        ("POST", "/2010-04-01/Accounts/AC1/Calls.json", LOGIN, b"", UnknownOperation),
        ("POST", "/2010-04-01/Accounts/AC1/Messages.json", LOGIN, b"a=" * 40_000, BodyTooLarge),
        ("POST", "/2010-04-01/Accounts/AC1/Messages.json", LOGIN, b"a=&" * (MAX_FIELDS + 1), InvalidRequest),
        ("POST", "/v2/Services/VA1/VerificationCheck", LOGIN, b"", UnknownOperation),
        ("GET", "/v2/Attempts", {}, b"", BadCredentials),
        ("POST", "/v2/Services/VA1/Verifications/VE1", LOGIN, b"Status=a&Status=b", InvalidRequest),
        ("POST", "/v2/Services/VA1/Verifications/VE1", LOGIN, b"\xff", InvalidRequest),
        ("POST", "/v2/Services/VA1/Verifications/VE1", LOGIN, b"a=&" * (MAX_FIELDS + 1), InvalidRequest),
    ],
)
def test_what_is_not_a_call_is_refused(
    method: str, path: str, fields: dict[bytes, bytes], body: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        read(HttpRequest(method, path, b"", fields, body))

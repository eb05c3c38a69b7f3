"""Twilio's receipts; the SDK's RequestValidator is the oracle of their signature."""

import hashlib
import json
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode

from hypothesis import given, strategies as st
from msgspec.structs import replace
from twilio.request_validator import RequestValidator

from dialects.pushes import URL, answers, is_verified, json_push, mutated, push, read, refusals, refuse_each
from otpconv.dialects.receipts import Push
from otpconv.dialects.twilio import signature
from otpconv.dialects.twilio.receipts import TWILIO_RECEIPTS as WIRE
from otpconv.receipts import ReceiptStatus

TOKEN = "2c6f2a1b0d4e8f3a"  # noqa: S105 - of the tests
FORM = "application/x-www-form-urlencoded"
#: As "Track the Message Status of Outbound Messages" shows it.
CALLBACK = {
    "SmsSid": "SM2xxxxxx",
    "SmsStatus": "sent",
    "MessageStatus": "sent",
    "To": "+15558675310",
    "MessageSid": "SM2xxxxxx",
    "AccountSid": "ACxxxxxxx",
    "From": "+15017122661",
    "ApiVersion": "2010-04-01",
}
#: As "Outbound Message" of Event Streams shows it, shortened.
EVENT = {
    "specversion": "1.0",
    "type": "com.twilio.messaging.message.undelivered",
    "id": "NO1",
    "data": {
        "messageSid": "SM1",
        "timestamp": "2025-01-01T00:00:00.250Z",
        "to": "+14155550123",
        "messageStatus": "UNDELIVERED",
        "errorCode": 30003,
        "numberOfSegments": 2,
    },
}

urls = st.builds(
    "{}://{}{}/hooks/{}{}".format,
    st.sampled_from(["http", "https"]),
    st.sampled_from(["otp.example.com", "[::1]", "10.0.0.7"]),
    st.sampled_from(["", ":443", ":80", ":8080"]),
    st.text("abz-_.@", min_size=1),
    st.sampled_from(["", "?a=1&b=%20x", "?x"]),
)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
forms = st.dictionaries(names, st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=6)


def form_push(form: dict[str, str], key: str = TOKEN, url: str = URL, digest: str = "HMAC_SHA1") -> Push:
    signed = RequestValidator(key).compute_signature(url, form, digest)
    settings = {"HMAC_SHA1": "", "HMAC_SHA256": "key=K,algorithm=HMAC_SHA256"}[digest]
    return push(
        urlencode(form).encode(),
        url=url,
        content_type=FORM,
        x_twilio_signature=signed,
        x_twilio_webhooks_signature_settings=settings,
    )


def event_push(events: object, key: str = TOKEN) -> Push:
    body = json.dumps(events).encode()
    url = f"{URL}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signed = RequestValidator(key).compute_signature(url, {})
    return replace(json_push(events, url=url, x_twilio_signature=signed), body=body)


@given(urls, forms, st.sampled_from(["sha1", "sha256"]))
def test_the_signature_is_that_of_the_sdk(url: str, form: dict[str, str], digest: str) -> None:
    of_sdk = RequestValidator(TOKEN).compute_signature(url, form, f"HMAC_{digest.upper()}")
    assert signature.sign(url, form, TOKEN, digest) == of_sdk


@given(urls, urls, forms)
def test_a_signature_is_taken_where_the_sdk_takes_it(signed: str, called: str, form: dict[str, str]) -> None:
    validator = RequestValidator(TOKEN)
    for url in (signed, signed.replace("example.com/", "example.com:443/"), called):
        made = validator.compute_signature(signed, form)
        if "[" in url:  # the SDK cuts IPv6 addresses at their first colon
            continue
        assert signature.verify(url, form, TOKEN, made) == validator.validate(url, form, made)


def test_signed_pushes_are_taken_with_either_hash_and_by_the_right_key_alone() -> None:
    for pushed in (form_push(CALLBACK), form_push(CALLBACK, digest="HMAC_SHA256"), event_push([EVENT])):
        assert is_verified(WIRE, pushed, {"auth_token": TOKEN})
        assert is_verified(WIRE, pushed, {"receipts_key": TOKEN, "auth_token": "another"})
        assert is_verified(WIRE, pushed, {"api_key_sid": "SK1", "receipts_key": TOKEN, "auth_token": "x"})
        assert not is_verified(WIRE, pushed, {"auth_token": "another"})
    # The secret of an API key signs nothing, and without a key the URL is the proof.
    assert is_verified(WIRE, push(b"", content_type=FORM), {"api_key_sid": "SK1", "auth_token": TOKEN})
    unknown = replace(
        form_push(CALLBACK),
        fields={
            **form_push(CALLBACK).fields,
            b"x-twilio-webhooks-signature-settings": b"algorithm=HMAC_SHA512",
        },
    )
    assert not is_verified(WIRE, unknown, {"auth_token": TOKEN})


@given(forms.filter(bool))
def test_each_mutation_of_a_signed_form_is_refused(form: dict[str, str]) -> None:
    pushed = form_push(form)
    values = {"auth_token": TOKEN}
    assert is_verified(WIRE, pushed, values)

    def mutants() -> Iterator[Push]:
        for name, value in form.items():
            yield replace(pushed, body=urlencode(form | {name: value + "x"}).encode())
            rest = {other: text for other, text in form.items() if other != name}
            yield replace(pushed, body=urlencode(rest).encode())
        for url in mutated(URL):
            yield replace(pushed, url=url)
        signed = pushed.fields[b"x-twilio-signature"].decode()
        for text in (*mutated(signed), ""):
            yield replace(pushed, fields=pushed.fields | {b"x-twilio-signature": text.encode()})

    assert refuse_each(lambda mutant: is_verified(WIRE, mutant, values), mutants()) > 20


def test_each_mutation_of_signed_json_is_refused() -> None:
    pushed = event_push([EVENT])
    values = {"auth_token": TOKEN}
    bodies = (replace(pushed, body=text.encode()) for text in mutated(pushed.body.decode()))
    assert refuse_each(lambda mutant: is_verified(WIRE, mutant, values), bodies) > 10
    assert not is_verified(WIRE, replace(pushed, url=URL), values)
    # A form's parameters are signed even if the URL has a hash.
    as_form = replace(pushed, fields=pushed.fields | {b"content-type": FORM.encode()})
    assert not is_verified(WIRE, replace(as_form, body=b"MessageSid=SM9&MessageStatus=delivered"), values)


def test_a_callback_is_read() -> None:
    (sent,) = read(WIRE, form_push(CALLBACK))
    assert (sent.vendor_message_id, sent.status, sent.time) == ("SM2xxxxxx", ReceiptStatus.SENT, None)
    assert (sent.to, sent.channel, sent.price) == ("+15558675310", "sms", None)
    failed = CALLBACK | {"MessageStatus": "undelivered", "ErrorCode": "30005", "To": "whatsapp:+15558675310"}
    (failure,) = read(WIRE, form_push(failed))
    assert (failure.status, failure.error) == (ReceiptStatus.FAILED, "30005")
    assert (failure.to, failure.channel) == ("+15558675310", "whatsapp")
    priced = CALLBACK | {"MessageStatus": "delivered", "Price": "-0.00750", "PriceUnit": "usd"}
    (delivered,) = read(WIRE, form_push(priced))
    assert (delivered.price, delivered.currency, delivered.error) == (7_500, "USD", "")


def test_events_are_read_and_those_about_anything_else_are_left_out() -> None:
    other = {"type": "com.twilio.messaging.inbound-message.received", "data": {"x": 1}}
    (failure,) = read(WIRE, event_push([other, EVENT]))
    assert (failure.vendor_message_id, failure.status, failure.error) == (
        "SM1",
        ReceiptStatus.FAILED,
        "30003",
    )
    assert (failure.time, failure.segments) == (1_735_689_600_250, 2)
    assert read(WIRE, event_push([other])) == []
    broken = [
        EVENT | {"data": {**EVENT["data"], **change}}
        for change in ({"messageSid": "a b"}, {"timestamp": "x"})
    ]  # type: ignore[dict-item]
    assert len(refusals(WIRE, event_push([*broken, EVENT]))) == 2


def test_the_answers_are_what_the_vendor_wants() -> None:
    assert answers(WIRE) == (204, b"")
    assert dict(parse_qsl(urlencode(CALLBACK))) == CALLBACK

"""AWS's receipts through SNS, signed with a certificate that the test makes."""

import base64
import json
from collections.abc import Iterator
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from msgspec.structs import replace

from dialects.pushes import answers, is_verified, json_push, mutated, push, read, refuse_each
from otpconv.dialects.aws.receipts import AWS_RECEIPTS as WIRE
from otpconv.dialects.receipts import Push
from otpconv.errors import InvalidRequest, SignatureMismatch
from otpconv.receipts import ReceiptStatus

TOPIC = "arn:aws:sns:us-west-2:123456789012:receipts"
CERTIFICATE = "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233f.pem"
SUBSCRIBE = (
    "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn="
    "arn:aws:sns:us-west-2:123456789012:receipts&Token=2336412f37"
)
#: As "Example event data" shows it.
EVENT = {
    "eventType": "TEXT_SUCCESSFUL",
    "eventVersion": "1.0",
    "eventTimestamp": 1686975103470,
    "isFinal": True,
    "originationPhoneNumber": "+12065550152",
    "destinationPhoneNumber": "+14255550156",
    "isoCountryCode": "US",
    "isInternationalSend": False,
    "mcc": "310",
    "mnc": "800",
    "carrierName": "Foo Cellular",
    "messageId": "862a8790-60c0-4430-9b2b-658bdexample",
    "messageRequestTimestamp": 1686975103170,
    "messageEncoding": "GSM",
    "messageType": "PROMOTIONAL",
    "messageStatus": "SUCCESSFUL",
    "messageStatusDescription": "Message has been accepted by phone carrier",
    "context": {"account": "bar"},
    "totalMessageParts": 1,
    "totalMessagePrice": 0.09582,
    "totalCarrierFee": 0.0,
}


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def message(version: str = "1", **members: str) -> dict[str, str]:
    """A signed message of SNS; by the documented order of the members, written out once more here."""
    made = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": json.dumps(EVENT),
        "Timestamp": "2012-05-02T00:54:06.655Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
    } | members
    signed = "".join(
        f"{name}\n{made[name]}\n"
        for name in (
            [
                "Message",
                "MessageId",
                *(["Subject"] if "Subject" in made else []),
                "Timestamp",
                "TopicArn",
                "Type",
            ]
            if made["Type"] == "Notification"
            else ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        )
    )
    digest = {"1": SHA1(), "2": SHA256()}.get(version, SHA256())  # noqa: S303 - the vendor's
    signature = private_key().sign(signed.encode(), padding.PKCS1v15(), digest)
    return {"Signature": base64.b64encode(signature).decode(), **made}


def event(**members: object) -> Push:
    return json_push(message(Message=json.dumps(EVENT | members)))


SUBSCRIPTION = {"Type": "SubscriptionConfirmation", "Token": "2336412f37", "SubscribeURL": SUBSCRIBE}


def fits(pushed: Push) -> bool:
    """Whether the key of the test made the signature."""
    assert WIRE.sealed is not None
    if not is_verified(WIRE, pushed, {"topic_arn": TOPIC}):
        return False
    sealed = WIRE.sealed(pushed)
    digest = {"sha1": SHA1(), "sha256": SHA256()}[sealed.digest]  # noqa: S303 - the vendor's
    try:
        private_key().public_key().verify(sealed.signature, sealed.text, padding.PKCS1v15(), digest)
    except Exception:  # noqa: BLE001 - InvalidSignature
        return False
    return sealed.certificate_url == CERTIFICATE


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "members", [{}, {"Subject": "é\n"}, SUBSCRIPTION, SUBSCRIPTION | {"Type": "UnsubscribeConfirmation"}]
)
def test_each_mutation_of_a_signed_message_is_refused(version: str, members: dict[str, str]) -> None:
    made = message(version, **members)
    assert fits(json_push(made))
    named = [name for name in made if name not in {"SigningCertURL", "SignatureVersion"}]

    def mutants() -> Iterator[Push]:
        for name in named:
            yield json_push({other: value for other, value in made.items() if other != name})
            for text in mutated(made[name]):
                yield json_push(made | {name: text})
        yield json_push(made | {"SignatureVersion": "3"})
        yield json_push(made | {"SignatureVersion": {"1": "2", "2": "1"}[version]})

    assert refuse_each(fits, mutants()) > 50


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3.pem",
        "https://sns.us-west-2.amazonaws.com.evil.example/SimpleNotificationService-f3.pem",
        "https://sns.us-west-2.amazonaws.com@evil.example/SimpleNotificationService-f3.pem",
        "https://sns.us-west-2.amazonaws.com:8443/SimpleNotificationService-f3.pem",
        "https://evil.example/?https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3.pem",
        "https://sns.us-west-2.amazonaws.com/../bucket/SimpleNotificationService-f3.pem",
        "https://bucket.s3.us-west-2.amazonaws.com/SimpleNotificationService-f3.pem",
        "https://sns.amazonaws.com/SimpleNotificationService-f3.pem",
        "https://sns..amazonaws.com/SimpleNotificationService-f3.pem",
        "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3.pem\n",
        "",
    ],
)
def test_a_certificate_elsewhere_is_never_asked_for(url: str) -> None:
    assert WIRE.sealed is not None
    with pytest.raises(SignatureMismatch):
        WIRE.sealed(json_push(message(SigningCertURL=url)))
    confirmation = SUBSCRIPTION | {
        "SubscribeURL": url.replace("SimpleNotificationService-f3.pem", "?Action=ConfirmSubscription")
    }
    with pytest.raises(InvalidRequest):
        WIRE.read(json_push(message(**confirmation)))


def test_china_has_hosts_of_its_own() -> None:
    url = "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-f3.pem"
    assert WIRE.sealed is not None
    assert WIRE.sealed(json_push(message(SigningCertURL=url))).certificate_url == url


def test_only_the_topic_of_the_vendor_account_may_push() -> None:
    for values in ({}, {"topic_arn": TOPIC + "2"}):
        assert not is_verified(WIRE, json_push(message()), values)


def test_an_event_is_read() -> None:
    (receipt,) = read(WIRE, event())
    assert receipt.vendor_message_id == "862a8790-60c0-4430-9b2b-658bdexample"
    assert (receipt.status, receipt.time) == (ReceiptStatus.DELIVERED, 1686975103470)
    assert (receipt.price, receipt.currency, receipt.segments) == (95_820, "USD", 1)
    assert (receipt.sent_at, receipt.to) == (1686975103170, "+14255550156")
    assert (receipt.country, receipt.carrier, receipt.error) == ("US", "Foo Cellular", "")
    (receipt,) = read(WIRE, event(totalCarrierFee=0.00305))
    assert receipt.price == 98_870
    (receipt,) = read(WIRE, event(eventType="TEXT_SUCCESSFUL", isFinal=False))
    assert receipt.status is ReceiptStatus.SENT
    (receipt,) = read(WIRE, event(eventType="MEDIA_CARRIER_BLOCKED", isFinal=True))
    assert (receipt.status, receipt.error, receipt.channel) == (
        ReceiptStatus.REJECTED,
        "CARRIER_BLOCKED",
        "mms",
    )
    for kind in ("VOICE_COMPLETED", "REGISTRATION_STATUS_CHANGE"):
        assert read(WIRE, event(eventType=kind)) == []


def test_a_subscription_is_to_be_confirmed_and_an_unsubscription_is_not() -> None:
    found = WIRE.read(json_push(message(**SUBSCRIPTION)))
    assert (found.confirm_url, found.items) == (SUBSCRIBE, ())
    ended = WIRE.read(json_push(message(**SUBSCRIPTION | {"Type": "UnsubscribeConfirmation"})))
    assert (ended.confirm_url, ended.items) == ("", ())
    other = SUBSCRIPTION | {"SubscribeURL": SUBSCRIBE.replace("Confirm", "Delete")}
    with pytest.raises(InvalidRequest):
        WIRE.read(json_push(message(**other)))


def test_raw_messages_are_refused_because_nobody_has_signed_them() -> None:
    with pytest.raises(InvalidRequest, match="raw message delivery"):
        WIRE.verify(json_push(EVENT), {"topic_arn": TOPIC})
    for body in (b"", b"[]", b'{"Type": "Notification"', b'{"Type": {}}'):
        with pytest.raises(InvalidRequest):
            WIRE.verify(push(body), {"topic_arn": TOPIC})
    with pytest.raises(InvalidRequest):
        WIRE.read(replace(json_push(message(Message="hello"))))


def test_the_answers_are_what_the_vendor_wants() -> None:
    assert answers(WIRE) == (200, b"")

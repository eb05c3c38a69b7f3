"""Signature Version 4, against a recorded request and against the signer of the official SDK."""

from collections.abc import Mapping
from random import Random
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from otpconv.dialects.aws import signature

BODY = b'{"MessageId": "abc-1", "MessageFeedbackStatus": "RECEIVED"}'
HEADERS = {
    "content-type": "application/x-amz-json-1.0",
    "host": "127.0.0.1:28911",
    "x-amz-target": "PinpointSMSVoiceV2.PutMessageFeedback",
}
#: How many requests are signed by both.
REQUESTS = 300
CHARACTERS = "aZ09-_.~  +/%&=:;'\"()*!@$é消🙂"
IN_HEADERS = "aZ09-_.~  +/%&=:;'\"()*!@$"


def test_a_request_of_the_python_sdk_is_signed_as_it_was_recorded() -> None:
    signed = signature.sign(
        HEADERS,
        BODY,
        access_key_id="AK",
        secret="SK",  # noqa: S106 - of a recorded request
        region="us-east-1",
        time="20261126T215135Z",
    )
    assert signed == HEADERS | {
        "x-amz-date": "20261126T215135Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AK/20261126/us-east-1/sms-voice/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
        "Signature=66d3f84e8f7c1ffb39e5505753ef3f8260118516e62dec81f63f1394505e2fcd",
    }


def test_generated_requests_are_signed_as_the_python_sdk_signs_them() -> None:
    random = Random(20261126)
    for _ in range(REQUESTS):
        method, region = random.choice(["POST", "GET"]), random.choice(["us-east-1", "eu-central-1"])
        names = random.sample(["x-amz-security-token", "x-amz-meta", "accept", "via"], random.randrange(5))
        headers = HEADERS | {name: text(random, IN_HEADERS, 20) for name in names}
        headers["host"] = random.choice(["otp.example", "[::1]:8080", "10.0.0.1:9000"])
        parameters = {
            text(random, CHARACTERS, 6): text(random, CHARACTERS, 6) for _ in range(random.randrange(5))
        }
        query = "&".join(
            f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in parameters.items()
        )
        body, secret = random.randbytes(random.randrange(200)), text(random, CHARACTERS, 80)
        theirs = sdk_headers(method, query, headers, body, region, secret)
        ours = signature.sign(
            headers,
            body,
            access_key_id="AK",
            secret=secret,
            region=region,
            time=theirs["x-amz-date"],
            method=method,
            query=query,
        )
        assert ours["authorization"] == theirs["authorization"]


def text(random: Random, characters: str, most: int) -> str:
    return "x" + "".join(random.choices(characters, k=random.randrange(most)))


def sdk_headers(  # noqa: PLR0917 - the parts of a request
    method: str, query: str, headers: Mapping[str, str], body: bytes, region: str, secret: str
) -> dict[str, str]:
    """Return the headers, with names in lower case, that the SDK's signer makes."""
    url = f"http://{headers['host']}/{'?' if query else ''}{query}"
    request = AWSRequest(method, url, headers, body)
    SigV4Auth(Credentials("AK", secret), "sms-voice", region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}

"""The signature, against a recorded request and against the signer of the official SDK."""

from random import Random

from volcengine.auth.SignerV4 import SignerV4
from volcengine.base.Request import Request
from volcengine.Credentials import Credentials

from otpconv.dialects.volcengine import signature

BODY = b'{"MessageIDs": ["m1", "m2"]}'
HEADERS = {"content-type": "application/json", "host": "127.0.0.1:28911"}
QUERY = "Action=Conversion&Version=2020-01-01"
#: How many requests are signed by both.
REQUESTS = 200
CHARACTERS = "aZ09-_.~ +/%&=:;'\"()*!@$é消🙂"


def test_a_request_of_the_python_sdk_is_signed_as_it_was_recorded() -> None:
    signed = signature.sign(
        HEADERS,
        BODY,
        access_key_id="AK",
        secret="SK",  # noqa: S106 - of a recorded request
        region="cn-north-1",
        time="20261126T215142Z",
        query=QUERY,
    )
    assert signed["authorization"] == (
        "HMAC-SHA256 Credential=AK/20261126/cn-north-1/volcSMS/request, "
        "SignedHeaders=content-type;host;x-content-sha256;x-date, "
        "Signature=10f96714db5eef8f2ebe82eb948e46ae1fee5c4692a43f482c70f8c8db6ad1bb"
    )


def test_generated_requests_are_signed_as_the_python_sdk_signs_them() -> None:
    random = Random(20261126)
    for _ in range(REQUESTS):
        parameters = {random.choice(["Action", "Version", "a-b", "z"]): text(random) for _ in range(4)}
        region = random.choice(["cn-north-1", "ap-singapore-1"])
        body, secret = text(random), text(random)
        request = Request()
        request.set_method("POST")
        request.set_path("/")
        request.set_query(parameters)
        request.set_body(body)
        request.set_headers({"Content-Type": "application/json", "Host": HEADERS["host"], "Accept": "any"})
        SignerV4.sign(request, Credentials("AK", secret, "volcSMS", region))
        ours = signature.sign(
            HEADERS,
            body.encode(),
            access_key_id="AK",
            secret=secret,
            region=region,
            time=request.headers["X-Date"],
            query=request.build().partition("?")[2],
        )
        theirs = {name.lower(): value for name, value in request.headers.items()}
        assert ours == {name: theirs[name] for name in ours}


def text(random: Random) -> str:
    return "x" + "".join(random.choices(CHARACTERS, k=random.randrange(20)))

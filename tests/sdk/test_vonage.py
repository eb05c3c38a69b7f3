"""Vonage's official Python SDK, unmodified, against a server with a certificate: it speaks only HTTPS."""

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from sdk.vendor_pages import SENT, rates, request_messages, run_python
from web.front.test_tls import certificate
from web.wire import administrator

Eventually = Callable[[Callable[[], object], object], None]
AT = datetime.fromtimestamp(SENT // 1000, UTC) + timedelta(seconds=30)


@pytest.fixture(scope="module")
def sdk() -> ModuleType:
    """The SDK, which takes 0.2 s to import: every worker collects this module, and one needs it."""
    import vonage  # noqa: PLC0415

    return vonage


@pytest.fixture(scope="module")
def errors() -> ModuleType:
    """The exceptions of the SDK."""
    from vonage_http_client import errors  # noqa: PLC0415

    return errors


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalServer, httpx.Client]]:
    folder = tmp_path_factory.mktemp("vonage")
    cert, key = certificate(folder, "own")
    settings = {"OTPCONV_TLS_CERT": str(cert), "OTPCONV_TLS_KEY": str(key)}
    with pytest.MonkeyPatch.context() as patched, LocalServer(folder / "data", settings) as server:
        patched.setenv("REQUESTS_CA_BUNDLE", str(cert))
        auth = (server.access_key_id, server.access_key_secret)
        trusted = ssl.create_default_context(cafile=cert)
        with httpx.Client(base_url=server.url, auth=auth, verify=trusted) as client:
            yield server, client


@pytest.fixture
def key(secure: tuple[LocalServer, httpx.Client]) -> AccessKey:
    return administrator(secure[0])


@pytest.fixture
def own(secure: tuple[LocalServer, httpx.Client]) -> httpx.Client:
    return secure[1]


@pytest.fixture
def sms(sdk: ModuleType, secure: tuple[LocalServer, httpx.Client]) -> Callable[..., Any]:
    """Makes clients with credentials."""
    host = secure[0].url.removeprefix("https://")
    return lambda **auth: sdk.Vonage(sdk.Auth(**auth), sdk.HttpClientOptions(api_host=host)).sms


def test_the_page_works_as_written(
    secure: tuple[LocalServer, httpx.Client], key: AccessKey, own: httpx.Client
) -> None:
    request_messages(own, "0A0000001")
    run_python("vonage", secure[0].url, key)
    assert own.get("/v1/messages/0A0000001").json()["verified"] is True


def test_a_report_counts_once_however_it_is_authenticated(
    sms: Callable[..., Any], key: AccessKey, own: httpx.Client, eventually: Eventually
) -> None:
    before = rates(own) if own.get("/v1/messages/0A0000001").status_code == 200 else (0, 0)
    methods = ["md5", "sha1", "sha256", "sha512"]
    clients = [sms(api_key=key.access_key_id, api_secret=key.secret)]
    for method in methods:
        auth = {"signature_secret": key.secret, "signature_method": method}
        clients.append(sms(api_key=key.access_key_id, **auth))
    ids = [f"once-{number}" for number in range(len(clients))]
    request_messages(own, *ids, "missed")
    for client, message_id in zip(clients, ids, strict=True):
        for _ in range(2):
            assert client.submit_sms_conversion(message_id, True, AT) is None
    clients[1].submit_sms_conversion("missed", delivered=False, timestamp=AT)
    eventually(lambda: rates(own), (before[0] + len(ids) + 1, before[1] + len(ids)))
    state = own.get("/v1/messages/once-1").json()
    assert state["verified_at"] == SENT + 30_000
    assert own.get("/v1/messages/missed").json()["delivered_false_last"] == SENT + 30_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_key": "LTAInobody", "api_secret": "x"},
        {"api_secret": "x"},
        {"signature_secret": "x", "signature_method": "sha256"},
    ],
)
def test_wrong_credentials_raise_the_sdks_own_exception(
    errors: ModuleType, sms: Callable[..., Any], key: AccessKey, wrong: dict[str, str]
) -> None:
    with pytest.raises(errors.AuthenticationError) as caught:
        sms(**{"api_key": key.access_key_id} | wrong).submit_sms_conversion("1")
    body = caught.value.response.json()
    assert body["type"] == "https://developer.nexmo.com/api-errors#unauthorized"
    assert body["title"] == "You did not provide correct credentials."


@pytest.mark.parametrize(
    ("message_id", "at", "status", "says"),
    [
        ("with space", AT, 420, "message-id must be"),
        ("timed", AT - timedelta(seconds=30), 423, "is not after the message was requested"),
        ("timed", AT + timedelta(days=100 * 365), 423, "in the future"),
    ],
)
def test_a_report_that_cannot_be_raises_with_the_vendors_status(  # noqa: PLR0917 - three of them are parameters
    errors: ModuleType,
    sms: Callable[..., Any],
    key: AccessKey,
    own: httpx.Client,
    message_id: str,
    at: datetime,
    status: int,
    says: str,
) -> None:
    own.post("/v1/messages", json={"messages": [{"message_id": "timed", "requested_at": SENT}]})
    client = sms(api_key=key.access_key_id, api_secret=key.secret)
    with pytest.raises(errors.HttpRequestError) as caught:
        client.submit_sms_conversion(message_id, True, at)
    assert caught.value.response.status_code == status
    assert says in caught.value.response.json()["detail"]
    assert own.get("/v1/messages/timed").json()["verified"] is False

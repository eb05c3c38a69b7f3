"""Calls to a vendor's own host that a push asks for: its certificate, and to confirm a subscription.

Only a push with the right secret in its URL gets here, and its dialect has checked that the URL to call is on
the vendor's host. The calls are made beside the event loop, one at a time. After a failure, all wait for a
while.
"""

import asyncio
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from otpconv.delivery.connection import Connection, Unreachable
from otpconv.dialects.receipts import Sealed
from otpconv.errors import SignatureMismatch, Unavailable

#: How long a call may take, ms.
TIMEOUT_MS: Final = 5_000
#: Bytes of an answer at most.
MAX_ANSWER_BYTES: Final = 64 * 1024
#: Certificates in memory; a vendor has one in each region for months.
MAX_CERTIFICATES: Final = 16
#: How long no call is made after one that failed, s.
PAUSE_S: Final = 10.0
_OK: Final = 200

_DIGESTS: Final[dict[str, HashAlgorithm]] = {"sha1": SHA1(), "sha256": SHA256()}  # noqa: S303 - the vendor's


def get(url: str) -> bytes:
    """Return what a URL of HTTPS answers; redirects are failures.

    Raises:
        Unavailable: there is no such answer in time.
    """
    parts = urlsplit(url)
    connection = Connection(f"https://{parts.netloc}", TIMEOUT_MS)
    target = f"{parts.path}{'?' * bool(parts.query)}{parts.query}"
    try:
        answer = connection.request("GET", target, {"accept": "*/*"}, b"")
    except Unreachable as error:
        raise Unavailable(f"{parts.netloc} can't be called: {error}") from None
    finally:
        connection.close()
    if answer.status != _OK or len(answer.body) > MAX_ANSWER_BYTES:
        raise Unavailable(f"{parts.netloc} answers with HTTP {answer.status} and {len(answer.body)} bytes.")
    return answer.body


class VendorHosts:
    """Calls the hosts of vendors. For the event loop.

    Args:
        get: calls a URL and returns the answer, beside the event loop; it raises `Unavailable`.
    """

    def __init__(self, get: Callable[[str], bytes] = get) -> None:
        self._get = get
        self._keys: dict[str, RSAPublicKey] = {}
        self._paused_until = 0.0
        self._calling = asyncio.Lock()

    async def verify(self, sealed: Sealed) -> None:
        """Verify a signature by the certificate of the vendor.

        Raises:
            SignatureMismatch: the key of the certificate did not make it.
            Unavailable: the certificate can't be read.
        """
        key = await self._key(sealed.certificate_url)
        try:
            key.verify(sealed.signature, sealed.text, PKCS1v15(), _DIGESTS[sealed.digest])
        except InvalidSignature:
            raise SignatureMismatch("The signature does not fit the message.") from None

    async def confirm(self, url: str) -> None:
        """Call a URL that confirms a subscription.

        Raises:
            Unavailable: it does not answer, so that the vendor asks again.
        """
        async with self._calling:
            await self._call(url)

    async def _key(self, url: str) -> RSAPublicKey:
        if url not in self._keys:
            async with self._calling:
                if url not in self._keys:
                    key = _key_of(await self._call(url))
                    if len(self._keys) >= MAX_CERTIFICATES:
                        del self._keys[next(iter(self._keys))]
                    self._keys[url] = key
        return self._keys[url]

    async def _call(self, url: str) -> bytes:
        loop = asyncio.get_running_loop()
        if loop.time() < self._paused_until:
            raise Unavailable("The host of the vendor could not be called a moment ago.")
        try:
            return await asyncio.to_thread(self._get, url)
        except Unavailable:
            self._paused_until = loop.time() + PAUSE_S
            raise


def _key_of(pem: bytes) -> RSAPublicKey:
    try:
        key = x509.load_pem_x509_certificate(pem).public_key()
    except ValueError:
        raise Unavailable("The vendor's certificate can't be read.") from None
    if not isinstance(key, RSAPublicKey):
        raise Unavailable("The vendor's certificate has no RSA key.")
    return key

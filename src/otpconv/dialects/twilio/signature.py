"""The signature of Twilio's webhooks, made and verified by the same code.

Base64 of an HMAC, keyed by the account's auth token, over the URL and the parameters of a form, sorted by
name. A JSON body is signed by its SHA-256 hash, which is the parameter `bodySHA256` of the URL.

Source: `RequestValidator` of the Python SDK 9.13.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

SIGNATURE: Final = b"x-twilio-signature"
#: Names the hash of a signature that is made by a shared key: `key=…,algorithm=HMAC_SHA256`.
SETTINGS: Final = b"x-twilio-webhooks-signature-settings"
BODY_HASH: Final = "bodySHA256"

#: The usual one is SHA-1.
_DIGESTS: Final = {"": "sha1", "HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_PORTS: Final = {"https": 443, "http": 80}


def sign(url: str, parameters: Mapping[str, str], key: str, digest: str = "sha1") -> str:
    """Return the signature of a request, base64.

    Args:
        url: the URL with its query, as the vendor calls it.
        parameters: those of a form; none for JSON.
        key: the auth token, or the secret of a shared key.
        digest: `sha1`, or `sha256` for a shared key.
    """
    text = url + "".join(name + parameters[name] for name in sorted(parameters))
    return b64encode(hmac.digest(key.encode(), text.encode(), digest)).decode()


def digest_of(settings: str) -> str | None:
    """Return the hash that the header `SETTINGS` names; None if it is unknown."""
    for part in settings.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm":
            return _DIGESTS.get(value.strip().upper())
    return _DIGESTS[""]


def verify(url: str, parameters: Mapping[str, str], key: str, signature: str, digest: str = "sha1") -> bool:
    """Return whether `key` made a signature, in constant time.

    The vendor signs the URL sometimes with its usual port, and sometimes without.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    netloc = f"[{host}]" if ":" in host else host
    ports = (f":{parts.port or _PORTS.get(parts.scheme, 443)}", "")
    candidates = {url, *(parts._replace(netloc=netloc + port).geturl() for port in ports)}
    given = signature.encode()
    results = [
        hmac.compare_digest(sign(candidate, parameters, key, digest).encode(), given)
        for candidate in candidates
    ]
    return any(results)


def is_body_signed(url: str, body: bytes) -> bool:
    """Return whether the URL has the hash of a body, in constant time."""
    given = parse_qs(urlsplit(url).query).get(BODY_HASH, [""])[0]
    return hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), given.lower().encode())

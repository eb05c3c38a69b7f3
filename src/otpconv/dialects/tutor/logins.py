"""The ways in which vendors' clients send the secret itself."""

import base64
from collections.abc import Callable

from otpconv.dialects.tutor.operation import Signer, Way, with_headers
from otpconv.dialects.tutor.request import ApiRequest

_ID, _SECRET = "$OTPCONV_ACCESS_KEY_ID", "$OTPCONV_ACCESS_KEY_SECRET"


def basic(password: Callable[[str], str] = str, name: str = "AccessKeySecret", shell: str = _SECRET) -> Way:
    """Return HTTP Basic.

    Args:
        password: makes the password of an AccessKeySecret.
        name: what the password is, for people.
        shell: makes the password in a shell.
    """

    def sign(request: ApiRequest, signer: Signer) -> ApiRequest:
        login = base64.b64encode(f"{signer.access_key_id}:{password(signer.secret)}".encode()).decode()
        return with_headers(request, {"authorization": f"Basic {login}"})

    return Way(
        "Basic",
        f"HTTP Basic: the AccessKeyId, and the {name}",
        f"The base64 of the AccessKeyId, a colon and the {name}.",
        sign,
        hidden={"authorization": f"Basic base64(AccessKeyId:{name})"},
        curl=f'-u "{_ID}:{shell}"',
    )


def token(title: str, header: str = "authorization", scheme: str = "") -> Way:
    """Return a token `AccessKeyId:AccessKeySecret` in a header.

    Args:
        title: the name of the way, for people.
        header: the name of the header, lower case.
        scheme: the word before the token; empty for none.
    """
    before = f"{scheme} " if scheme else ""

    def sign(request: ApiRequest, signer: Signer) -> ApiRequest:
        return with_headers(request, {header: f"{before}{signer.access_key_id}:{signer.secret}"})

    return Way(
        title,
        f"the AccessKeyId and the AccessKeySecret in the header {header}",
        "The AccessKeyId, a colon and the AccessKeySecret, as they are.",
        sign,
        hidden={header: f"{before}AccessKeyId:AccessKeySecret"},
        curl=f'-H "{header}: {before}{_ID}:{_SECRET}"',
    )

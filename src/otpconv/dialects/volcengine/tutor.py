"""The SMS API of Volcengine and BytePlus for the explorer, the diagnosis and the pages of errors."""

from typing import Final

from msgspec import structs

from otpconv.dialects.tutor import refusals, scoped
from otpconv.dialects.tutor.operation import Operation, Parameter, Signer, Way
from otpconv.dialects.tutor.request import ApiRequest
from otpconv.dialects.tutor.vendor import Vendor
from otpconv.dialects.volcengine.dialect import PERMISSION, QUERY, VolcengineDialect
from otpconv.dialects.volcengine.signature import SERVICE, TERMINATOR, sign


def _way(name: str, region: str) -> Way:
    """Return the signature with a region."""

    def _sign(request: ApiRequest, signer: Signer) -> ApiRequest:
        headers = sign(
            request.headers,
            request.body,
            access_key_id=signer.access_key_id,
            secret=signer.secret,
            region=region,
            time=scoped.time(signer.now),
            query=request.query,
        )
        return structs.replace(request, headers=headers)

    return Way(
        name,
        f"HMAC-SHA256 with the region {region}; any region will do",
        scoped.rule("", f"DATE/REGION/{SERVICE}/{TERMINATOR}"),
        _sign,
        signature=scoped.signature,
    )


VOLCENGINE: Final = Vendor(
    "volcengine",
    "Volcengine and BytePlus SMS",
    VolcengineDialect(),
    (
        Operation(
            "Conversion",
            PERMISSION,
            "Report that the codes of messages were typed back.",
            "POST",
            "/",
            (
                Parameter(
                    "MessageIDs",
                    "1 to 100 messages, with commas between them, as send_sms returned them.",
                    "b69aeb31-volc-1, b69aeb31-volc-2",
                    "json",
                    kind="list",
                    mandatory=True,
                ),
            ),
            (_way("Volcengine", "cn-north-1"), _way("BytePlus", "ap-singapore-1")),
            query=QUERY,
        ),
    ),
    (
        *refusals.EVERYWHERE,
        *refusals.SIGNED,
        refusals.STALE,
        *refusals.TOKENS,
    ),
    sdks={"python": "Python", "byteplus": "Python (BytePlus)"},
    texts=scoped.texts,
    variants=scoped.variants,
)

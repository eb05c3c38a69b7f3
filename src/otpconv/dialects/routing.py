"""The routing table: which dialect a request belongs to."""

from collections.abc import Sequence
from typing import Any, Final

from otpconv.dialects.alibaba.dialect import AlibabaDialect
from otpconv.dialects.aws.dialect import AwsDialect
from otpconv.dialects.dialect import Dialect, HttpRequest
from otpconv.dialects.didit.dialect import DiditDialect
from otpconv.dialects.infobip.dialect import InfobipDialect
from otpconv.dialects.prelude.dialect import PreludeDialect
from otpconv.dialects.sinch.dialect import SinchDialect
from otpconv.dialects.telesign.dialect import TelesignDialect
from otpconv.dialects.tencent.dialect import TencentDialect
from otpconv.dialects.volcengine.dialect import VolcengineDialect
from otpconv.dialects.vonage.dialect import VonageDialect

_ALIBABA: Final = AlibabaDialect()
#: The dialects of the path `/`, which several vendors use. A dialect that recognizes its requests by a header
#: or a parameter, e.g. `X-Amz-Target` or `X-TC-Action`, comes before the last one, which takes all others.
AT_ROOT: Final[tuple[Dialect[Any], ...]] = (AwsDialect(), TencentDialect(), VolcengineDialect(), _ALIBABA)
#: The dialects of all other paths; no two of them claim the same request.
BY_PATH: Final[tuple[Dialect[Any], ...]] = (
    VonageDialect(),
    PreludeDialect(),
    TelesignDialect(),
    SinchDialect(),
    DiditDialect(),
    InfobipDialect(),
)
#: Every dialect.
DIALECTS: Final = (*BY_PATH, *AT_ROOT)


def route(request: HttpRequest, dialects: Sequence[Dialect[Any]] | None = None) -> Dialect[Any] | None:
    """Return the first dialect that claims a request; None if it is in none of them.

    Args:
        request: with its body if that was read; see `Dialect.claims`.
        dialects: those to choose from; None for all.
    """
    if dialects is None:
        if request.path != "/":
            dialects = BY_PATH
        # Only Alibaba's signatures have these: V3 and V1. To ask the other dialects first takes 1 us.
        elif b"x-acs-action" in request.fields or b"AccessKeyId=" in (request.query or request.body):
            return _ALIBABA
        else:
            dialects = AT_ROOT
    for dialect in dialects:
        if dialect.claims(request):
            return dialect
    return None

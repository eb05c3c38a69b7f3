"""The kinds of vendors, by name."""

from typing import Final

from otpconv.relay.kind import Kind
from otpconv.relay.kinds.alibaba import ALIBABA, ALIBABA_2017
from otpconv.relay.kinds.aws import AWS
from otpconv.relay.kinds.didit import DIDIT
from otpconv.relay.kinds.eight_by_eight import EIGHT_BY_EIGHT
from otpconv.relay.kinds.infobip import INFOBIP
from otpconv.relay.kinds.plivo import PLIVO
from otpconv.relay.kinds.prelude import PRELUDE
from otpconv.relay.kinds.sinch import SINCH
from otpconv.relay.kinds.telesign import TELESIGN
from otpconv.relay.kinds.tencent import TENCENT
from otpconv.relay.kinds.twilio import TWILIO
from otpconv.relay.kinds.twilio_verify import TWILIO_VERIFY
from otpconv.relay.kinds.volcengine import BYTEPLUS, VOLCENGINE
from otpconv.relay.kinds.vonage import VONAGE
from otpconv.relay.kinds.webhook import WEBHOOK

_ALL: Final = (
    EIGHT_BY_EIGHT,
    ALIBABA,
    ALIBABA_2017,
    AWS,
    BYTEPLUS,
    DIDIT,
    INFOBIP,
    PLIVO,
    PRELUDE,
    SINCH,
    TELESIGN,
    TENCENT,
    TWILIO,
    TWILIO_VERIFY,
    VOLCENGINE,
    VONAGE,
    WEBHOOK,
)
KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in _ALL}

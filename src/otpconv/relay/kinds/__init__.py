"""The kinds of vendors, by name."""

from typing import Final

from otpconv.relay.kind import Kind
from otpconv.relay.kinds.alibaba import ALIBABA, ALIBABA_2017
from otpconv.relay.kinds.twilio import TWILIO
from otpconv.relay.kinds.webhook import WEBHOOK

KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in (ALIBABA, ALIBABA_2017, TWILIO, WEBHOOK)}

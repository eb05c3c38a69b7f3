"""The vendors that the explorer, the diagnosis and the pages of errors know, by name; Alibaba has its own."""

from typing import Any, Final

from otpconv.dialects.aws.tutor import AWS
from otpconv.dialects.dialect import Dialect
from otpconv.dialects.didit.tutor import DIDIT
from otpconv.dialects.infobip.tutor import INFOBIP
from otpconv.dialects.prelude.tutor import PRELUDE
from otpconv.dialects.sinch.tutor import SINCH
from otpconv.dialects.telesign.tutor import TELESIGN
from otpconv.dialects.tencent.tutor import TENCENT
from otpconv.dialects.tutor.vendor import Vendor
from otpconv.dialects.twilio.tutor import TWILIO
from otpconv.dialects.volcengine.tutor import VOLCENGINE
from otpconv.dialects.vonage.tutor import VONAGE

VENDORS: Final = {
    vendor.name: vendor
    for vendor in (TWILIO, AWS, TENCENT, VOLCENGINE, VONAGE, PRELUDE, TELESIGN, SINCH, INFOBIP, DIDIT)
}
_BY_DIALECT: Final = {type(vendor.dialect): vendor for vendor in VENDORS.values()}


def vendor_of(dialect: Dialect[Any]) -> Vendor | None:
    """Return the vendor of a dialect; None for Alibaba's."""
    return _BY_DIALECT.get(type(dialect))

"""Every code of this dialect: what it means, why it is sent, what to do. Data only, one module per subject.

Gateway codes have their own HTTP status. Product codes are sent with HTTP 200, in `ResponseCode`
(version 2018-05-01) or, with the prefix `isv.` or `isp.`, in `Code` (version 2017-05-25).

Source of names, statuses and sentences: "Common error codes" of the OpenAPI gateway and "Error codes" of
Short Message Service, Alibaba Cloud documentation. Codes marked "of otpconv" have no documented counterpart.
"""

from otpconv.dialects.alibaba.wire.codes.callers import CALLERS
from otpconv.dialects.alibaba.wire.codes.parameters import PARAMETERS
from otpconv.dialects.alibaba.wire.codes.product import PRODUCT
from otpconv.dialects.alibaba.wire.codes.requests import REQUESTS
from otpconv.dialects.alibaba.wire.codes.signatures import SIGNATURES

#: Every code by its name.
CODES = {error.code: error for error in (*REQUESTS, *SIGNATURES, *CALLERS, *PARAMETERS, *PRODUCT)}

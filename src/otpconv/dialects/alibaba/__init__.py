"""Alibaba Cloud's RPC OpenAPI, as its official SDKs speak it: SmsConversion and its sisters.

`read` a request, `Call.verify` it, take the `report` out of it, answer with `success` or `failure`.
"""

from otpconv.dialects.alibaba.actions import ACTIONS, report
from otpconv.dialects.alibaba.call import Call
from otpconv.dialects.alibaba.codes import CODES, ErrorCode
from otpconv.dialects.alibaba.headers import Fields, by_name
from otpconv.dialects.alibaba.refusal import GatewayError
from otpconv.dialects.alibaba.request import answers_xml, read
from otpconv.dialects.alibaba.response import Answer, failure, preflight, success
from otpconv.dialects.alibaba.signature import sign_v1, sign_v3

__all__ = [
    "ACTIONS",
    "CODES",
    "Answer",
    "Call",
    "ErrorCode",
    "Fields",
    "GatewayError",
    "answers_xml",
    "by_name",
    "failure",
    "preflight",
    "read",
    "report",
    "sign_v1",
    "sign_v3",
    "success",
]

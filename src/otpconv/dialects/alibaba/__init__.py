"""Alibaba Cloud's RPC OpenAPI, as its official SDKs speak it: SmsConversion and its sisters.

`read` a request, `Call.verify` it, take the `report` out of it, answer with `success` or `failure`.
"""

from otpconv.dialects.alibaba.actions import ACTIONS, ASSUME_ROLE, report
from otpconv.dialects.alibaba.call import Call
from otpconv.dialects.alibaba.codes import CODES
from otpconv.dialects.alibaba.error_code import ErrorCode
from otpconv.dialects.alibaba.headers import Fields, by_name
from otpconv.dialects.alibaba.operations import OPERATIONS, Operation, Parameter
from otpconv.dialects.alibaba.refusal import GatewayError
from otpconv.dialects.alibaba.request import answers_xml, read
from otpconv.dialects.alibaba.response import Answer, failure, preflight, success
from otpconv.dialects.alibaba.signature import sign_v1, sign_v3
from otpconv.dialects.alibaba.sts import RoleRequest, assumed, role_request

__all__ = [
    "ACTIONS",
    "ASSUME_ROLE",
    "CODES",
    "OPERATIONS",
    "Answer",
    "Call",
    "ErrorCode",
    "Fields",
    "GatewayError",
    "Operation",
    "Parameter",
    "RoleRequest",
    "answers_xml",
    "assumed",
    "by_name",
    "failure",
    "preflight",
    "read",
    "report",
    "role_request",
    "sign_v1",
    "sign_v3",
    "success",
]

"""Alibaba Cloud's RPC OpenAPI, as its official SDKs speak it: SmsConversion and its sister operations.

`dialect.py` implements the protocol that all dialects have; `wire` reads, verifies and writes; `sts.py` is
AssumeRole; `tutor` explains and diagnoses signatures.
"""

from otpconv.dialects.alibaba.sts import RoleRequest, assumed, role_request
from otpconv.dialects.alibaba.wire.actions import ACTIONS, ASSUME_ROLE, PASSED_ON, read_report
from otpconv.dialects.alibaba.wire.call import Call
from otpconv.dialects.alibaba.wire.codes import CODES
from otpconv.dialects.alibaba.wire.error_code import ErrorCode
from otpconv.dialects.alibaba.wire.operations import OPERATIONS, Operation, Parameter
from otpconv.dialects.alibaba.wire.refusal import GatewayError
from otpconv.dialects.alibaba.wire.request import answers_xml, read
from otpconv.dialects.alibaba.wire.response import failure, preflight, success
from otpconv.dialects.alibaba.wire.signature import sign_v1, sign_v3

__all__ = [
    "ACTIONS",
    "ASSUME_ROLE",
    "CODES",
    "OPERATIONS",
    "PASSED_ON",
    "Call",
    "ErrorCode",
    "GatewayError",
    "Operation",
    "Parameter",
    "RoleRequest",
    "answers_xml",
    "assumed",
    "failure",
    "preflight",
    "read",
    "read_report",
    "role_request",
    "sign_v1",
    "sign_v3",
    "success",
]

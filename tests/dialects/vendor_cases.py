"""Every way to make a call of another vendor than Alibaba."""

from otpconv.dialects.tutor.operation import Operation, Way
from otpconv.dialects.tutor.vendor import Vendor
from otpconv.dialects.vendors import VENDORS

Case = tuple[Vendor, Operation, Way]

CASES: list[Case] = [
    (vendor, operation, way)
    for vendor in VENDORS.values()
    for operation in vendor.operations
    for way in operation.ways
]


def name_of(part: object) -> str:
    """Return the name of a part of a case, for the name of a test."""
    return str(getattr(part, "name", part)).replace(" ", "-")

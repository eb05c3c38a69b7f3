"""The pages that a visitor can go to from anywhere, and the action that opens each."""

from typing import Final, NamedTuple

ADMINISTRATION: Final = "/administration"


class Section(NamedTuple):
    """A page in the navigation.

    Attributes:
        name: for the navigation.
        path: of the page.
        action: what policies must allow; empty for what everybody may open.
    """

    name: str
    path: str
    action: str


#: The pages in this order; the first one is where a sign-in leads to.
NAVIGATION: Final = (
    Section("Dashboard", "/dashboard", ""),
    Section("Alerts", "/alerts", "otpconv:GetAlerts"),
    Section("Ranges", "/ranges", "otpconv:GetRanges"),
    Section("Explorer", "/explorer", ""),
    Section("Errors", "/errors", ""),
)
#: The pages of administration.
SECTIONS: Final = (
    Section("Users and keys", "/administration/users", "ram:ListUsers"),
    Section("Policies", "/administration/policies", "ram:ListPolicies"),
    Section("Permissions", "/administration/permissions", "ram:ListPolicies"),
    Section("Audit trail", "/administration/audit", "otpconv:ReadAuditTrail"),
    Section("Health", "/administration/health", "otpconv:GetHealth"),
    Section("Relay", "/relay", "otpconv:GetRelay"),
)

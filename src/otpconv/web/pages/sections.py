"""The pages of administration that a visitor can go to, and the action that opens each."""

from typing import Final, NamedTuple

ADMINISTRATION: Final = "/administration"


class Section(NamedTuple):
    """A page of administration.

    Attributes:
        name: for the navigation.
        path: of the page.
        action: what policies must allow.
    """

    name: str
    path: str
    action: str


SECTIONS: Final = (
    Section("Users and keys", "/administration/users", "ram:ListUsers"),
    Section("Policies", "/administration/policies", "ram:ListPolicies"),
    Section("Permissions", "/administration/permissions", "ram:ListPolicies"),
    Section("Audit trail", "/administration/audit", "otpconv:ReadAuditTrail"),
    Section("Health", "/administration/health", "otpconv:GetHealth"),
    Section("Relay", "/relay", "otpconv:GetRelay"),
)

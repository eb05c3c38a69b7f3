"""The pages of administration, and the action that each needs."""

from otpconv.service.compose import Service
from otpconv.web.pages.administration.audit import AuditPage
from otpconv.web.pages.administration.desk import Desk
from otpconv.web.pages.administration.health import HealthPage
from otpconv.web.pages.administration.keys import KeysPage
from otpconv.web.pages.administration.permissions import PermissionsPage
from otpconv.web.pages.administration.policies import PoliciesPage
from otpconv.web.pages.administration.users import UsersPage
from otpconv.web.pages.page import Page


def administration_pages(service: Service, desk: Desk) -> list[Page]:
    """Return the pages of administration.

    Args:
        service: has the audit trail and the health of the server.
        desk: reads and changes users, keys and policies.
    """
    users, policies = UsersPage(desk), PoliciesPage(desk)
    keys = KeysPage(desk, users)
    return [
        Page("/administration/users", "GET", users.index, "ram:ListUsers"),
        Page("/administration/users", "POST", users.create, "ram:CreateUser"),
        Page("/administration/users/{user}", "GET", users.show, "ram:ListUsers"),
        Page("/administration/users/{user}/delete", "POST", users.delete, "ram:DeleteUser"),
        Page("/administration/users/{user}/attach", "POST", users.attach, "ram:AttachPolicyToUser"),
        Page("/administration/users/{user}/detach", "POST", users.detach, "ram:DetachPolicyFromUser"),
        Page("/administration/users/{user}/keys/create", "POST", keys.create, "ram:CreateAccessKey"),
        Page("/administration/users/{user}/keys/disable", "POST", keys.disable, "ram:UpdateAccessKey"),
        Page("/administration/users/{user}/keys/enable", "POST", keys.enable, "ram:UpdateAccessKey"),
        Page("/administration/users/{user}/keys/delete", "POST", keys.delete, "ram:DeleteAccessKey"),
        Page("/administration/policies", "GET", policies.index, "ram:ListPolicies"),
        Page("/administration/policies", "POST", policies.create, "ram:CreatePolicy"),
        Page("/administration/new-policy", "GET", policies.form, "ram:CreatePolicy"),
        Page("/administration/policies/{policy}", "GET", policies.show, "ram:ListPolicies"),
        Page("/administration/policies/{policy}", "POST", policies.update, "ram:UpdatePolicy"),
        Page("/administration/policies/{policy}/delete", "POST", policies.delete, "ram:DeletePolicy"),
        Page(
            "/administration/permissions",
            "GET",
            PermissionsPage(desk, service.clock).show,
            "ram:ListPolicies",
        ),
        Page("/administration/audit", "GET", AuditPage(desk, service).show, "otpconv:ReadAuditTrail"),
        Page("/administration/health", "GET", HealthPage(desk, service).show, "otpconv:GetHealth"),
    ]

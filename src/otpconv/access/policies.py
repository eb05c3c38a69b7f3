"""What a user may do; `authorize` is the one place where permission is asked.

For now there are the managed policies alone: each a name and the actions it allows, on everything. What no
policy allows is denied.
"""

import re
from functools import lru_cache
from typing import Final

from otpconv.access.keys import AccessKey
from otpconv.errors import AccessDenied, InvalidRequest

_READ_DYSMS = ("dysms:Query*", "dysms:Get*", "dysms:List*")

#: The managed policies, each with the actions it allows; `*` stands for any characters, case does not count.
MANAGED: Final[dict[str, tuple[str, ...]]] = {
    "AdministratorAccess": ("*",),
    "AliyunDysmsFullAccess": ("dysms:*",),
    "AliyunDysmsReadOnlyAccess": _READ_DYSMS,
    "OtpconvReportOnly": (
        "dysms:SmsConversion",
        "dysms:ConversionData",
        "dysms:SmsConversionIntl",
        "dysms:ConversionDataIntl",
        "otpconv:RecordMessages",
        "otpconv:RecordConversions",
    ),
    "OtpconvReadOnly": ("otpconv:Get*", "otpconv:Query*", *_READ_DYSMS),
}


def authorize(key: AccessKey, action: str) -> None:
    """Let the holder of `key` do `action`, as `dysms:SmsConversion`, or refuse.

    Raises:
        AccessDenied: none of the user's policies allows it.
    """
    if not _allowed(key.policies, action):
        raise AccessDenied(
            f"The user {key.user} may not do {action}; attach a policy that allows it, "
            "or use the access key of a user that has one.",
            action=action,
            user=key.user,
            account=key.account,
        )


def require_known(policy: str) -> None:
    """Refuse the name of a policy that does not exist.

    Raises:
        InvalidRequest: there is no such policy; the text lists those there are.
    """
    if policy not in MANAGED:
        raise InvalidRequest(f"There is no policy of this name; take one of: {', '.join(MANAGED)}.")


@lru_cache(maxsize=4096)
def _allowed(policies: tuple[str, ...], action: str) -> bool:
    return any(
        _matches(pattern, action)
        for policy in policies
        # A name that a newer otpconv wrote allows nothing here.
        for pattern in MANAGED.get(policy, ())
    )


def _matches(pattern: str, action: str) -> bool:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(expression, action, re.IGNORECASE | re.DOTALL) is not None

"""Warnings about names in a policy that this server does not know.

Such a policy is valid: policies are shared with the vendor and with later versions of otpconv, which have
more actions and condition keys.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from otpconv.access.policies.conditions import KEYS
from otpconv.access.policies.document import Document, Statement
from otpconv.access.policies.evaluation import AttachedPolicy
from otpconv.access.policies.patterns import Globs
from otpconv.spelling import did_you_mean, nearest

#: Every action that can be allowed or denied.
ACTIONS: Final = (
    "didit:SendMessageFeedback",
    "dysms:BatchSendMessageToGlobe",
    "dysms:ConversionData",
    "dysms:ConversionDataIntl",
    "dysms:QueryMessage",
    "dysms:SendMessageToGlobe",
    "dysms:SendMessageWithTemplate",
    "dysms:SendSms",
    "dysms:SmsConversion",
    "dysms:SmsConversionIntl",
    "infobip:LogEndTag",
    "otpconv:CheckNumber",
    "otpconv:CreateAnnotation",
    "otpconv:DeleteAnnotation",
    "otpconv:FindMessages",
    "otpconv:GetAdvice",
    "otpconv:GetAlerts",
    "otpconv:GetHealth",
    "otpconv:GetMessage",
    "otpconv:GetMetrics",
    "otpconv:GetPrices",
    "otpconv:GetRanges",
    "otpconv:GetRelay",
    "otpconv:ListAnnotations",
    "otpconv:ListViews",
    "otpconv:ManageAlerts",
    "otpconv:ManagePrices",
    "otpconv:ManageRelay",
    "otpconv:ManageVendors",
    "otpconv:ManageViews",
    "otpconv:QueryRates",
    "otpconv:ReadAuditTrail",
    "otpconv:RecordConversions",
    "otpconv:RecordMessages",
    "otpconv:SaveView",
    "pinpoint-sms-voice-v2:PutMessageFeedback",
    "prelude:SendFeedbacks",
    "ram:AttachPolicyToUser",
    "ram:CreateAccessKey",
    "ram:CreatePolicy",
    "ram:CreateUser",
    "ram:DeleteAccessKey",
    "ram:DeletePolicy",
    "ram:DeleteUser",
    "ram:DetachPolicyFromUser",
    "ram:ListPolicies",
    "ram:ListUsers",
    "ram:UpdateAccessKey",
    "ram:UpdatePolicy",
    "sinch:SendDeliveryFeedback",
    "sts:AssumeRole",
    "telesign:Completion",
    "tencent:ReportConversion",
    "twilio:CreateMessage",
    "twilio:CreateMessageFeedback",
    "twilio:FetchVerificationAttempt",
    "twilio:FetchVerificationAttemptsSummary",
    "twilio:ListVerificationAttempts",
    "twilio:UpdateVerification",
    "volcengine:Conversion",
    "vonage:SmsConversion",
    "vonage:VoiceConversion",
)
#: Patterns of the vendor's managed policies; some match nothing here, and cause no warning.
READ_DYSMS: Final = ("dysms:Query*", "dysms:Get*", "dysms:List*")

_SERVICES: Final = sorted({action.partition(":")[0] for action in ACTIONS})
#: Condition keys that the vendor's other services have; they are not misspellings.
_FOREIGN_KEYS: Final = {"acs:MFAPresent", "acs:PrincipalARN", "acs:SourceVpc"}
_EXPECTED: Final = {pattern.lower() for pattern in READ_DYSMS}


def cautions(document: Document) -> list[str]:
    """Return which statements of a policy name an action or a condition key that this server does not know.

    A condition on a key that the request lacks does not hold: such an Allow allows nothing, and such a Deny
    denies nothing.
    """
    return [
        caution
        for index, statement in enumerate(document.statements)
        for caution in (*_of_actions(statement, index), *_of_conditions(statement, index))
    ]


def decision_cautions(action: str, policies: Iterable[AttachedPolicy]) -> list[str]:
    """Return that an action is unknown, and what a reader of the policies that decide may overlook."""
    unknown = action_caution(action)
    return [
        *([unknown] if unknown else ()),
        *(f"the policy {policy.name}: {text}" for policy in policies for text in cautions(policy.document)),
    ]


def action_caution(pattern: str, consequence: str = "") -> str:
    """Return a text that the server lacks an action, and the most similar one; empty if it has the action.

    Args:
        pattern: an action, or a pattern of actions.
        consequence: the effect, e.g. `, so it allows nothing`.
    """
    lowered = pattern.lower()
    if lowered in _EXPECTED or any(map(Globs((lowered,)).matches, (action.lower() for action in ACTIONS))):
        return ""
    meant = _meant(pattern)
    hint = f"did you mean {meant}?" if meant else f"its actions begin with {_listed()}."
    return f"{_shown(pattern)} is not an action of this server{consequence}; {hint}"


def _of_actions(statement: Statement, index: int) -> Iterator[str]:
    name = "NotAction" if statement.excepted else "Action"
    effect = "excepts" if statement.excepted else {"Allow": "allows", "Deny": "denies"}[statement.effect]
    for pattern in statement.actions:
        if caution := action_caution(pattern, f", so it {effect} nothing"):
            yield f"Statement[{index}].{name}: {caution}"


def _of_conditions(statement: Statement, index: int) -> Iterator[str]:
    possible = KEYS.keys() - {"acs:MFAPresent"}
    for condition in statement.conditions:
        if condition.key not in possible:
            hint = "" if condition.key in _FOREIGN_KEYS else did_you_mean(condition.key, possible)
            key = _shown(condition.key)
            yield f"Statement[{index}] never applies: no request here has the key {key}{hint or '.'}"


def _meant(pattern: str) -> str:
    """Return the action or the pattern that was probably meant; empty if none is similar."""
    service, _, name = pattern.partition(":")
    near = [each for each in _SERVICES if Globs((service.lower(),)).matches(each)] or [
        nearest(service, _SERVICES)
    ]
    actions = {action.partition(":")[2]: action for action in ACTIONS if action.partition(":")[0] in near}
    stem, star, rest = name.partition("*")
    if star and not rest:
        if not stem:
            return f"{near[0]}:*" if near[0] else ""
        # Prefixes of names, about as long as the text before the wildcard.
        actions = {
            known[: len(stem) + more]: f"{action.partition(':')[0]}:{known[: len(stem) + more]}*"
            for more in (-1, 1, 0)
            for known, action in actions.items()
            if len(stem) + more > 0
        }
    found = nearest(stem if star and not rest else name.replace("*", ""), actions)
    return actions[found] if found else ""


def _listed() -> str:
    return ", ".join(f"{service}:" for service in _SERVICES)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 64 else f"{text[:64]}…")  # noqa: PLR2004 - enough to recognize it

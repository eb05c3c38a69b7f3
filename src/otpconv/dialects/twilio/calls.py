"""Reads a request into a `Call`. Credentials come by HTTP Basic: `AccessKeyId:AccessKeySecret`.

The account in a path is not checked: an SDK puts the user name there, or what its caller gives it.
"""

import re
from typing import Final

from otpconv.dialects.bodies import first_of_form, from_form
from otpconv.dialects.credentials import from_basic
from otpconv.dialects.dialect import HttpRequest, LoginCall, UnknownOperation

CREATE_FEEDBACK: Final = "twilio:CreateMessageFeedback"
UPDATE_VERIFICATION: Final = "twilio:UpdateVerification"
LIST_ATTEMPTS: Final = "twilio:ListVerificationAttempts"
FETCH_ATTEMPT: Final = "twilio:FetchVerificationAttempt"
FETCH_SUMMARY: Final = "twilio:FetchVerificationAttemptsSummary"
#: Passed on to Twilio.
CREATE_MESSAGE: Final = "twilio:CreateMessage"

#: The operations: method, path, and the action that a policy must allow. The first that matches decides.
OPERATIONS: Final = (
    (
        "POST",
        re.compile(r"/2010-04-01/Accounts/(?P<account>[^/]+)/Messages/(?P<id>.+)/Feedback\.json"),
        CREATE_FEEDBACK,
    ),
    (
        "POST",
        re.compile(r"/2010-04-01/Accounts/(?P<account>[^/]+)/Messages\.json"),
        CREATE_MESSAGE,
    ),
    ("POST", re.compile(r"/v2/Services/(?P<service>[^/]+)/Verifications/(?P<id>[^/]+)"), UPDATE_VERIFICATION),
    ("GET", re.compile(r"/v2/Attempts"), LIST_ATTEMPTS),
    ("GET", re.compile(r"/v2/Attempts/Summary"), FETCH_SUMMARY),
    ("GET", re.compile(r"/v2/Attempts/(?P<id>[^/]+)"), FETCH_ATTEMPT),
)
#: How the paths of Twilio's Messaging and Verify begin; an SDK that was redirected calls others of them too.
PREFIXES: Final = (
    "/2010-04-01/",
    "/v2/Attempts",
    "/v2/Forms",
    "/v2/SafeList",
    "/v2/Services",
    "/v2/Templates",
)


class Call(LoginCall, frozen=True, kw_only=True):
    """A call of an operation.

    Attributes:
        path: the path.
        account: the account in the path, as the caller wrote it; empty without one.
        service: the service in the path; empty without one.
        id: the message, the verification, or the attempt in the path; empty without one.
        parameters: the parameters of the query or the form.
    """

    path: str
    account: str
    service: str
    id: str
    parameters: dict[str, str]


def read(request: HttpRequest) -> Call:
    """Return the call that a request makes.

    Raises:
        UnknownOperation: this server has no such operation.
        BadCredentials: the request has no credentials by HTTP Basic.
        InvalidRequest: a parameter is given twice, or there are too many.
        BodyTooLarge: the query or the form is too large.
    """
    found = _operation(request)
    if found is None:
        raise UnknownOperation(f"{request.method} {request.path[:200]}")
    permission, match = found
    login = from_basic(request.fields.get(b"authorization", b""))
    named = match.groupdict()
    sent = request.body if request.method == "POST" else request.query
    return Call(
        access_key_id=login.access_key_id,
        secret=login.secret,
        permission=permission,
        path=request.path,
        account=named.get("account") or "",
        service=named.get("service") or "",
        id=named.get("id") or "",
        parameters=from_form(sent) if permission != CREATE_MESSAGE else first_of_form(sent),
    )


def _operation(request: HttpRequest) -> tuple[str, re.Match[str]] | None:
    for method, path, permission in OPERATIONS:
        match = path.fullmatch(request.path)
        if match is not None and method == request.method:
            return permission, match
    return None

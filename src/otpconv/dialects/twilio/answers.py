"""Writes responses, and errors in Twilio's form, which its SDKs raise as `TwilioRestException`.

Source: "Error and Warning Dictionary" and "Twilio's response", Twilio documentation.
"""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from otpconv import errors
from otpconv.dialects.dialect import HttpResponse
from otpconv.dialects.error_table import ErrorKind, ErrorTable
from otpconv.dialects.responses import json_response, retry_after
from otpconv.dialects.twilio.calls import Call

_ERRORS: Final = ErrorTable(
    "twilio",
    {
        errors.Refused: ErrorKind("20001", 400),
        errors.BadCredentials: ErrorKind("20003", 401),
        errors.InactiveAccessKey: ErrorKind("20005", 401),
        errors.AccessDenied: ErrorKind("20006", 403),
        errors.NeedsTls: ErrorKind("20006", 403),
        errors.NotFound: ErrorKind("20404", 404),
        errors.MethodNotAllowed: ErrorKind("20004", 405),
        errors.BodyTooSlow: ErrorKind("20001", 408),
        errors.BodyTooLarge: ErrorKind("20001", 413),
        errors.UnsupportedMediaType: ErrorKind("20001", 415),
        errors.Throttled: ErrorKind("20429", 429),
        errors.Unavailable: ErrorKind("20503", 503),
        errors.UnknownOutcome: ErrorKind("20503", 503),
    },
    ErrorKind("20500", 500, "The server failed to answer the request. The reason is in its log."),
)


def answer(status: int, members: object, *, code: str = "OK") -> HttpResponse:
    """Return a response with these members, as JSON."""
    return json_response(status, members, code=code, headers=((b"cache-control", b"no-store"),))


def feedback(call: Call, now: int) -> HttpResponse:
    """Return the response to a feedback that was taken at the time `now` (ms UTC).

    Both dates are this time: otpconv keeps the time of the conversion and not of its reports.
    """
    date = format_datetime(_at(now))
    confirmed = call.parameters.get("Outcome") == "confirmed"
    return answer(
        201,
        {
            "account_sid": call.account,
            "message_sid": call.id,
            "outcome": "confirmed" if confirmed else "unconfirmed",
            "date_created": date,
            "date_updated": date,
            "uri": call.path,
        },
    )


def verification(call: Call, now: int) -> HttpResponse:
    """Return the response to an update that was taken at the time `now` (ms UTC).

    What only Twilio knows of a verification is null.
    """
    by_number = call.id.startswith("+")
    status = call.parameters["Status"]
    unknown = ("channel", "lookup", "amount", "payee", "date_created", "sna", "url")
    return answer(
        200,
        {
            "sid": None if by_number else call.id,
            "service_sid": call.service,
            "account_sid": call.access_key_id,
            "to": call.id if by_number else None,
            "status": status,
            "valid": status == "approved",
            "send_code_attempts": [],
            "date_updated": _at(now).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **dict.fromkeys(unknown),
        },
    )


def failure(error: Exception, public_url: str) -> HttpResponse:
    """Return the response to a request that was refused or failed; `more_info` is Twilio's own dictionary."""
    kind, text = _ERRORS.find(error, public_url)
    response = answer(
        kind.status,
        {
            "code": int(kind.code),
            "message": text,
            "more_info": f"https://www.twilio.com/docs/errors/{kind.code}",
            "status": kind.status,
        },
        code=kind.code,
    )
    response.headers.extend(retry_after(error))
    if isinstance(error, errors.BadCredentials):
        response.headers.append((b"www-authenticate", b'Basic realm="Twilio API"'))
    return response


def preflight() -> HttpResponse:
    """Return the response to OPTIONS: Twilio's API is not called by browsers."""
    return HttpResponse(204, [(b"allow", b"GET, POST"), (b"content-length", b"0")], b"")


def _at(now: int) -> datetime:
    return datetime.fromtimestamp(now // 1_000, UTC)

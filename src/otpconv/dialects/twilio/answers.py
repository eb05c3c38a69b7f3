"""Writes responses, and errors in Twilio's form, which its SDKs raise as `TwilioRestException`.

Source: "Error and Warning Dictionary" and "Twilio's response", Twilio documentation.
"""

from msgspec import json

from otpconv import errors
from otpconv.dialects.dialect import HttpResponse
from otpconv.dialects.twilio.calls import Call

#: When a client may try again while the storage fails, s.
_UNAVAILABLE_S = 1

# Code and HTTP status: the nearest class in the tree of errors decides.
_CODES: dict[type[BaseException], tuple[int, int]] = {
    errors.OtpconvError: (20500, 500),
    errors.Refused: (20001, 400),
    errors.BadCredentials: (20003, 401),
    errors.InactiveAccessKey: (20005, 401),
    errors.AccessDenied: (20006, 403),
    errors.NeedsTls: (20006, 403),
    errors.NotFound: (20404, 404),
    errors.MethodNotAllowed: (20004, 405),
    errors.BodyTooSlow: (20001, 408),
    errors.BodyTooLarge: (20001, 413),
    errors.UnsupportedMediaType: (20001, 415),
    errors.Throttled: (20429, 429),
    errors.Unavailable: (20503, 503),
}


def answer(status: int, members: object) -> HttpResponse:
    """Return a response with these members, as JSON."""
    body = json.encode(members)
    return HttpResponse(
        status,
        [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"content-length", b"%d" % len(body)),
        ],
        body,
    )


def feedback(call: Call) -> HttpResponse:
    """Return the response to a feedback that was taken.

    The times are null: otpconv keeps the time of the conversion and not of its reports.
    """
    confirmed = call.parameters.get("Outcome") == "confirmed"
    return answer(
        201,
        {
            "account_sid": call.account,
            "message_sid": call.id,
            "outcome": "confirmed" if confirmed else "unconfirmed",
            "date_created": None,
            "date_updated": None,
            "uri": call.path,
        },
    )


def verification(call: Call) -> HttpResponse:
    """Return the response to an update that was taken; what only Twilio knows of a verification is null."""
    by_number = call.id.startswith("+")
    status = call.parameters["Status"]
    unknown = ("channel", "lookup", "amount", "payee", "date_created", "date_updated", "sna", "url")
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
            **dict.fromkeys(unknown),
        },
    )


def failure(error: Exception) -> HttpResponse:
    """Return the response to a request that was refused or failed."""
    code, status = next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), (20500, 500))
    text = "The server failed to answer the request. The reason is in its log."
    if isinstance(error, (errors.Refused, errors.Unavailable)):
        text = error.text
    response = answer(
        status,
        {
            "code": code,
            "message": text,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        },
    )
    response.code = str(code)
    if isinstance(error, errors.BadCredentials):
        response.headers.append((b"www-authenticate", b'Basic realm="Twilio API"'))
    if isinstance(error, errors.Throttled):
        response.headers.append((b"retry-after", b"%d" % -(-error.wait_ms // 1000)))
    if isinstance(error, errors.Unavailable):
        response.headers.append((b"retry-after", b"%d" % _UNAVAILABLE_S))
    return response


def preflight() -> HttpResponse:
    """Return the response to OPTIONS: Twilio's API is not called by browsers."""
    return HttpResponse(204, [(b"allow", b"GET, POST"), (b"content-length", b"0")], b"")

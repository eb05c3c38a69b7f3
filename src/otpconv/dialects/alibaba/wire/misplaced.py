"""Error texts about parameters that were sent in a place or a form that is not read.

This module only writes texts; other modules choose the error code. A text quotes nothing of a request except
its media type, and names that differ from ours by a few characters.
"""

from collections.abc import Mapping

from otpconv.dialects.alibaba.wire.headers import media_type
from otpconv.dialects.dialect import Fields

FORM = b"application/x-www-form-urlencoded"
JSON = b"application/json"

_SHOWN_CHARS = 64

_V1 = (
    "V1 (SignatureVersion=1.0) reads the query and a body of application/x-www-form-urlencoded. "
    "Send all parameters, percent-encoded, in one of these."
)
_V3 = (
    "V3 reads the query and a body of application/x-www-form-urlencoded or application/json, whose "
    "Content-Type is signed. Send the parameters in one of these."
)
#: The parameters of V1 that are headers in V3.
_V3_HEADERS = {
    "Action": "x-acs-action",
    "Version": "x-acs-version",
    "SignatureNonce": "x-acs-signature-nonce",
    "Timestamp": "x-acs-date",
    "SecurityToken": "x-acs-security-token",
}
#: How bodies that are not a form begin, whatever their Content-Type says.
_BEGINNINGS = (
    ((b"\xff\xfe", b"\xfe\xff"), "UTF-16"),
    ((b"{", b"["), "JSON"),
    ((b"--",), "multipart/form-data"),
    ((b"<",), "XML"),
)


def is_v3(fields: Fields) -> bool:
    """Return whether a request is signed by V3; any other request is read as V1."""
    return fields.get(b"authorization", b"").startswith(b"ACS3-")


def unread_body(fields: Fields, body: bytes) -> str:
    """Return why a body was not read and what to send instead; empty if it was read or is empty."""
    kind = media_type(fields)
    v3 = is_v3(fields)
    if not body or kind == FORM or (v3 and kind == JSON):
        return ""
    shown = kind.decode("latin-1")[:_SHOWN_CHARS]
    came = f"its Content-Type is {shown}" if shown else "it came without a Content-Type"
    return f"The body was not read: {came}. {_V3 if v3 else _V1}"


def misplaced(missing: str, parameters: Mapping[str, str], fields: Fields, body: bytes) -> str:
    """Return where the parameters of a refused request may be and what to send; empty if nothing is known.

    Args:
        missing: the name of the missing parameter; empty if the request is refused for another reason.
        parameters: the parameters that could be read.
        fields: the headers by name.
        body: the body.
    """
    return (
        unread_body(fields, body)
        or _other_form(fields, body)
        or (_other_place(missing, fields) if missing else "")
        or misnamed(missing, parameters)
    )


def misnamed(missing: str, parameters: Mapping[str, str]) -> str:
    """Return under which other name a missing parameter was sent; empty if under none."""
    for name in parameters if missing else ():
        if name.lower() == missing.lower():
            return f"It came as {name}: names are case-sensitive."
        plain = "".join(filter(str.isalnum, name.removeprefix("amp;")))
        if plain.lower() == missing.lower():
            return f"It came under the name {ascii(name)[:_SHOWN_CHARS]}: send the name {missing} alone."
        if f"{missing}=" in name:
            return "All parameters were percent-encoded together: encode each name and value, not = and &."
    return ""


def _other_form(fields: Fields, body: bytes) -> str:
    """Return what a body that was read as a form really is."""
    if not body or media_type(fields) != FORM:
        return ""
    v3 = is_v3(fields)
    start = body[:_SHOWN_CHARS].removeprefix(b"\xef\xbb\xbf").lstrip()
    for beginnings, kind in _BEGINNINGS:
        if start.startswith(beginnings):
            instead = "Send it as application/json, or" if v3 and kind == "JSON" else "Send"
            return (
                f"The body looks like {kind}, and its Content-Type says {FORM.decode()}. "
                f"{instead} Name=value&Name=value, percent-encoded UTF-8."
            )
    charset = fields.get(b"content-type", b"").lower().partition(b"charset=")[2]
    charset = charset.partition(b";")[0].strip(b"\"' ")
    if charset and charset not in {b"utf-8", b"utf8", b"us-ascii"}:
        shown = charset.decode("latin-1")[:_SHOWN_CHARS]
        return f"Its Content-Type says charset={shown}; parameters are read as UTF-8 only."
    return ""


def _other_place(missing: str, fields: Fields) -> str:
    """Return where a missing parameter belongs, or where it was sent."""
    header = _V3_HEADERS.get(missing, "")
    if is_v3(fields):
        return f"V3 reads it from the header {header}, not from the query or the body." if header else ""
    if missing.lower().encode() in fields or header.encode() in fields:
        return f"V1 (SignatureVersion=1.0) reads no parameter from a header. {_V1}"
    if fields.get(b"authorization"):
        return f"The Authorization header does not begin with ACS3-, so the request was taken for V1. {_V1}"
    return ""

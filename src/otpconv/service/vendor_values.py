"""The settings and secrets of vendor accounts: which a kind needs, and what they may be; pure."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from otpconv.access.vendors import MAX_SETTING_CHARS, RELAY_SETTING, URL_SECRET, VendorAccount
from otpconv.errors import InvalidRequest
from otpconv.relay.kind import RELAY, SEND, Kind, Setting
from otpconv.relay.kinds import KINDS
from otpconv.spelling import did_you_mean

#: Bytes of the secret in the URL for receipts.
_SECRET_BYTES: Final = 32

#: Settings and secrets.
_Divided = tuple[dict[str, str], dict[str, str]]


def kind_of(name: str) -> Kind:
    """Return the kind of a name.

    Raises:
        InvalidRequest: there is none.
    """
    if name not in KINDS:
        hint = did_you_mean(name[:40], KINDS) or f" Kinds: {', '.join(KINDS)}."
        raise InvalidRequest(f"Unknown kind of vendor {name[:40]!r}.{hint}")
    return KINDS[name]


def settings_of(kind: Kind) -> tuple[Setting, ...]:
    """Return all settings and secrets that a vendor account of a kind can have."""
    return (*kind.settings, RELAY, *kind.for_receipts())


def divided(kind: Kind, values: Mapping[str, str]) -> _Divided:
    """Return the settings and the secrets of a new vendor account, checked and complete.

    A vendor account that only takes receipts needs no credentials.

    Raises:
        InvalidRequest: something is unknown, missing or malformed.
    """
    known = settings_of(kind)
    _check_names(kind, known, values)
    called = values.get(RELAY_SETTING, RELAY.default) != "off" or values.get(SEND) == "on"
    found: _Divided = ({}, {})
    for setting in known:
        value = values.get(setting.name, setting.default)
        if value is None or (value == "" and setting.default != ""):
            if not called:
                continue
            raise InvalidRequest(f"The kind {kind.name} needs {setting.name}: {setting.help}.")
        _check(setting, value)
        if value:
            found[setting.secret][setting.name] = value
    if "endpoint" in found[0]:
        require_endpoint(found[0]["endpoint"])
    return found


def require_endpoint(text: str) -> None:
    """Check the URL of an endpoint, which has no secret.

    Raises:
        InvalidRequest: it is not the URL of an HTTP server, or names a user.
    """
    try:
        url = urlsplit(text)
        known = url.scheme in {"http", "https"} and url.hostname and url.port != 0
        known = known and not url.username and not url.fragment
    except ValueError:
        known = False
    if not known:
        raise InvalidRequest("Invalid endpoint. Use a URL, e.g. https://sms.example.com/conversions.")


def require_line(name: str, value: str) -> None:
    """Check a setting or a secret; the error never has the value.

    Raises:
        InvalidRequest: it is too long, not one line, or has blanks around it.
    """
    if len(value) > MAX_SETTING_CHARS or value != value.strip() or not value.isprintable():
        raise InvalidRequest(
            f"Invalid {name}: it must be one line of at most {MAX_SETTING_CHARS:,} characters"
            " without blanks around it."
        )


def changed(vendor: VendorAccount, values: Mapping[str, str], *, new_secret: bool) -> _Divided:
    """Return the settings and secrets of a vendor account after a change of those about receipts.

    Args:
        vendor: the vendor account.
        values: what to change; an empty value removes one.
        new_secret: make a new secret for the URL, also if there is one.

    Raises:
        InvalidRequest: a value is unknown or malformed.
    """
    kind = kind_of(vendor.kind)
    known = {setting.name: setting for setting in kind.for_receipts()}
    _check_names(kind, tuple(known.values()), values)
    found: _Divided = (dict(vendor.settings), dict(vendor.secrets))
    for name, value in values.items():
        of_setting = found[known[name].secret]
        of_setting.pop(name, None)
        if value:
            _check(known[name], value)
            of_setting[name] = value
    if new_secret or URL_SECRET not in vendor.secrets:
        found[1][URL_SECRET] = new_url_secret()
    return found


def switched(vendor: VendorAccount, *, on: bool) -> _Divided:
    """Return the settings and secrets of a vendor account that sends messages from now on, or does not.

    Raises:
        InvalidRequest: it only takes receipts, and lacks something that sending needs.
    """
    settings = vendor.settings | {SEND: "on" if on else "off"}
    if on:
        given = settings | {name: value for name, value in vendor.secrets.items() if name != URL_SECRET}
        divided(kind_of(vendor.kind), given)
    return settings, vendor.secrets


def new_url_secret() -> str:
    """Return a random secret for the URL to which a vendor pushes receipts."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def _check_names(kind: Kind, known: Sequence[Setting], values: Mapping[str, str]) -> None:
    names = {setting.name for setting in known}
    if unknown := sorted(values.keys() - names):
        raise InvalidRequest(
            f"The kind {kind.name} has no setting {unknown[0][:40]!r} here. Use: {', '.join(sorted(names))}."
        )


def _check(setting: Setting, value: str) -> None:
    require_line(setting.name, value)
    if setting.choices and value not in setting.choices:
        raise InvalidRequest(f"Invalid {setting.name}. Use {' or '.join(setting.choices)}.")

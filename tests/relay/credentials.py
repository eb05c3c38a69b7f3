"""What a vendor account needs whose vendor is a server of ours, by the dialect of its kind."""

import base64

from otpconv.relay.kind import Kind
from otpconv.relay.kinds import KINDS

#: Kinds whose vendors have no dialect here.
WITHOUT_DIALECT = {"8x8", "plivo"}
#: Kinds of which a server of ours can be the vendor.
OURS = {name: kind for name, kind in KINDS.items() if name not in WITHOUT_DIALECT}
#: Settings and secrets that hold a token of both parts of an access key.
_TOKENS = {("sinch", "api_token"), ("infobip", "api_key"), ("didit", "api_key"), ("prelude", "api_token")}
#: Settings that name the access key.
_NAMES = {"access_key_id", "account_sid", "api_key", "customer_id", "secret_id"}


def values_of(kind: Kind, url: str, key: str, secret: str) -> dict[str, str]:
    """Return the settings and secrets of a vendor account at a server of ours."""
    login = base64.b64encode(f"{key}:{secret}".encode()).decode()
    known = {"endpoint": url}
    if kind.name == "webhook":
        known = {"endpoint": f"{url}/v1/conversions", "authorization": f"Basic {login}"}
    for setting in kind.settings:
        if (kind.name, setting.name) in _TOKENS:
            value = f"{key}:{secret}"
        elif kind.name == "telesign" and setting.secret:
            value = base64.b64encode(secret.encode()).decode()
        elif setting.secret:
            value = secret
        elif setting.name in _NAMES:
            value = key
        else:
            value = "own" if setting.default is None else setting.default
        known.setdefault(setting.name, value)
    return known

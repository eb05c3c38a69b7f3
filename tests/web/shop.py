"""An application whose messages go through a server to a vendor."""

from pathlib import Path
from typing import Any

import httpx

from cli.commands import Run
from faults.sms_vendor import KEY, SECRET, SID, SmsVendor
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from web.wire import NO_TLS, Reply, send, v3

GLOBE = {"x-acs-action": "SendMessageToGlobe"}
HONG_KONG = "85251234567"


class Shop:
    """An application whose messages go through a server to a vendor, in an account of its own."""

    def __init__(self, at: Run, server: LocalServer, key: AccessKey, folder: Path) -> None:
        self.at = at
        self.server = server
        self.key = key
        self.vendor = SmsVendor()
        self.own = httpx.Client(base_url=server.url, auth=(key.access_key_id, key.secret), verify=NO_TLS)
        self.secrets = folder / "secrets"

    def create(self, kind: str, name: str = "main", **settings: str) -> None:
        """Create a vendor account; settings are added to those that are needed."""
        secret, own = {
            "twilio": ("auth_token", {"account_sid": SID, "send": "on"}),
            "webhook": ("signing_secret", {}),
        }.get(kind, ("access_key_secret", {"access_key_id": KEY, "send": "on"}))
        self.secrets.write_text(f"{secret}={SECRET}")
        given = {"endpoint": self.vendor.url} | own | settings
        words = [word for pair in given.items() for word in ("--setting", "=".join(pair))]
        words += ["--kind", kind, "--provider", f"by-{name}", "--secrets", str(self.secrets)]
        made = self.at("vendors", "create", name, *words)
        assert made.returncode == 0, made.stderr

    def globe(self, text: str, by: AccessKey | None = None, **more: str) -> Reply:
        """Send a message by SendMessageToGlobe, V3."""
        parameters = {"To": HONG_KONG, "Message": text, "From": "Shop"} | more
        return send(self.server.url, v3(by or self.key, parameters, headers=GLOBE))

    def twilio(self, text: str, account: str = "", by: AccessKey | None = None) -> httpx.Response:
        """Send a message as Twilio's SDKs do."""
        key = by or self.key
        path = f"/2010-04-01/Accounts/{account or key.access_key_id}/Messages.json"
        form = {"To": "+4915112345678", "From": "+15005550006", "Body": text}
        auth = (key.access_key_id, key.secret)
        return httpx.post(self.server.url + path, data=form, auth=auth, verify=NO_TLS)

    def known(self, message_id: str) -> dict[str, Any] | None:
        """What the ledger has of a message."""
        answer = self.own.get(f"/v1/messages/{message_id}")
        found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return found

    def requested(self) -> int:
        """How many messages were requested in the last hours."""
        count: int = self.own.get("/v1/rates").json()["rows"][0]["requested"]
        return count

    def close(self) -> None:
        self.own.close()
        self.vendor.stop()

"""The checks of every entry point, in order: HTTPS, failed logins, credentials, permission, rate limits.

The entry points are the RPC endpoint, the native API, `/metrics` and the pages. They call `Gate.check` before
they look at the credentials, and `Gate.admit` as soon as the credentials are verified. The parameters of a
request are checked after that.
"""

from starlette.types import Scope

from otpconv.access.authorize import authorize
from otpconv.access.keys import AccessKey
from otpconv.access.limits import FailedLogins, Throttle
from otpconv.access.vendors import VendorAccount
from otpconv.audit import AuditLog
from otpconv.config import Settings
from otpconv.errors import AccessDenied, BadCredentials, NeedsTls, Refused, Throttled
from otpconv.web.front.context import context_of
from otpconv.web.front.peer import Peers


class Gate:
    """Checks requests; there is one per process, since it counts them.

    Args:
        settings: the limits, the trusted proxies, and whether HTTPS is required.
        audit: records refusals.

    Attributes:
        peers: finds out where a request came from.
    """

    def __init__(self, settings: Settings, audit: AuditLog) -> None:
        self.peers = Peers(settings.trusted_networks())
        account, key, action, failed = settings.limits()
        self._limited = any(limit is not None for limit in (account, key, action))
        self._throttle = Throttle(account=account, access_key=key, action=action)
        self._failed = FailedLogins(failed) if failed is not None else None
        self._failing = False
        self._require_tls = settings.require_tls
        self._audit = audit

    def require_tls(self, scope: Scope) -> None:
        """Refuse plain HTTP if the settings say so.

        Raises:
            NeedsTls: the client did not speak HTTPS.
        """
        if self._require_tls and not self.peers.of(scope).secure:
            raise NeedsTls("This server only accepts HTTPS. Use an https:// URL.")

    def check(self, scope: Scope, now: int) -> None:
        """Refuse an address with too many failed logins, before its credentials are looked at.

        Raises:
            Throttled: the address has to wait.
        """
        # Usually no login fails, and the address does not have to be found out.
        if not self._failing or self._failed is None:
            return
        if self._failed.idle(now):
            self._failing = False
        else:
            wait_ms = self._failed.check(self.peers.of(scope).source_ip, now)
            if wait_ms:
                raise Throttled(
                    "Too many failed logins from this address. Fix the key and retry after"
                    f" {-(-wait_ms // 1000)} s.",
                    wait_ms=wait_ms,
                    by_failures=True,
                )

    def failed(self, scope: Scope, now: int) -> None:
        """Count a failed login."""
        if self._failed is not None:
            self._failing = True
            self._failed.failed(self.peers.of(scope).source_ip, now)

    def admit(self, key: AccessKey, action: str, scope: Scope, now: int, resource: str = "*") -> None:
        """Check that the policies allow a call, then count it against the rate limits.

        A denied call does not use up the limits of callers who are allowed.

        Args:
            key: the verified key of the caller.
            action: the action of the call, e.g. `dysms:SmsConversion`.
            scope: the scope of the request.
            now: the current time, ms UTC.
            resource: what the action is done to.

        Raises:
            AccessDenied: no policy allows the action, or one denies it. Nothing was counted.
            Throttled: the caller is over a limit. Nothing was counted.
        """
        self.authorize(key, action, scope, now, resource)
        if self._limited:
            self.take(key.account, key.holder, action, now)

    def authorize(self, key: AccessKey, action: str, scope: Scope, now: int, resource: str = "*") -> None:
        """Check the policies only, e.g. to know in advance whether a call would be denied.

        Raises:
            AccessDenied: no policy allows the action, or one denies it.
        """
        authorize(key, action, lambda: context_of(self.peers, scope, now), resource)

    def take(self, account: int, holder: str, action: str, now: int) -> None:
        """Count a call against the rate limits.

        Args:
            account: the account that it belongs to.
            holder: the name of the caller.
            action: the action of the call.
            now: the current time, ms UTC.

        Raises:
            Throttled: the caller is over a limit. Nothing was counted.
        """
        if not self._limited:
            return
        wait_ms = self._throttle.take(account, holder, action, now)
        if wait_ms:
            raise over_limit(wait_ms)

    def refused(
        self, error: Exception, scope: Scope, *, who: str = "", what: str = "", request_id: str = ""
    ) -> None:
        """Record a refusal of authentication or authorization; ignores other errors."""
        if not isinstance(error, Refused) or not _is_audited(error):
            return
        denied = error if isinstance(error, AccessDenied) else None
        self._audit.refused(
            who=who,
            what=what,
            outcome=error.code,
            source_ip=self.peers.of(scope).source_ip,
            user=denied.display_name if denied else "",
            account=denied.account if denied else 0,
            request_id=request_id or scope.get("otpconv.request_id", ""),
        )

    def refused_push(self, error: Refused, scope: Scope, *, what: str, vendor: VendorAccount) -> None:
        """Record a refused push of receipts to the URL of a vendor account, whatever it was refused for."""
        self._audit.refused(
            who="",
            what=what,
            outcome=error.code,
            source_ip=self.peers.of(scope).source_ip,
            account=vendor.account,
            subject=f"vendor {vendor.name}",
            request_id=scope.get("otpconv.request_id", ""),
        )

    def answered(self, key: AccessKey, action: str, subject: str, scope: Scope) -> None:
        """Record a call that was answered, such as a search by number.

        Args:
            key: the key of the caller.
            action: the action of the call.
            subject: the result, e.g. `3 messages`; never the number.
            scope: the scope of the request.
        """
        self._audit.answered(
            who=key.access_key_id,
            what=action,
            subject=subject,
            source_ip=self.peers.of(scope).source_ip,
            user=key.user,
            account=key.account,
            request_id=scope.get("otpconv.request_id", ""),
        )

    def settle(self) -> None:
        """Write the refusals that the audit has only counted so far."""
        self._audit.settle()


def over_limit(wait_ms: int) -> Throttled:
    """Return the error of a caller who is over a rate limit and has to wait `wait_ms`."""
    return Throttled(
        f"This call is over a rate limit of this server. Retry it after {wait_ms} ms.", wait_ms=wait_ms
    )


def _is_audited(error: Refused) -> bool:
    if isinstance(error, Throttled):
        return error.by_failures
    return isinstance(error, (BadCredentials, AccessDenied))

"""What every door asks, in the same order: HTTPS, failed log-ins, who calls, may they, how often.

The doors are the RPC endpoint with its STS calls, the native API, `/metrics`, and the pages. `Gate.check`
comes before the credentials are looked at, `Gate.admit` as soon as they are proven. What a request asks for
is checked after that.
"""

from starlette.types import Scope

from otpconv.access.authorize import authorize
from otpconv.access.keys import AccessKey
from otpconv.access.limits import FailedLogins, Throttle
from otpconv.audit import AuditLog
from otpconv.config import Settings
from otpconv.errors import AccessDenied, BadCredentials, NeedsTls, Refused, Throttled
from otpconv.web.front.context import context_of
from otpconv.web.front.peer import Peers

#: Refusals of credentials that a dialect has codes of its own for.
_CREDENTIALS = (
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "InvalidSecurityToken",
    "MissingSecurityToken",
)


class Gate:
    """Stands at every door; one for the whole process, since it counts.

    Attributes:
        peers: tells where a request came from.
    """

    def __init__(self, settings: Settings, audit: AuditLog) -> None:
        """Take the settings and where refusals are recorded."""
        self.peers = Peers(settings.trusted_networks())
        account, key, action, failed = settings.limits()
        self._limited = any(limit is not None for limit in (account, key, action))
        self._throttle = Throttle(account=account, access_key=key, action=action)
        self._failed = FailedLogins(failed) if failed is not None else None
        self._failing = False
        self._require_tls = settings.require_tls
        self._audit = audit

    def require_tls(self, scope: Scope) -> None:
        """Refuse plain HTTP where the settings say so.

        Raises:
            NeedsTls: the client did not speak HTTPS.
        """
        if self._require_tls and not self.peers.of(scope).secure:
            raise NeedsTls("This server is called by HTTPS only; use an https:// URL.")

    def check(self, scope: Scope, now: int) -> None:
        """Refuse a source whose log-ins keep failing, before its credentials are looked at.

        Raises:
            Throttled: it has to wait.
        """
        # Mostly nobody's log-ins fail, and nobody has to be found out.
        if not self._failing or self._failed is None:
            return
        if self._failed.idle(now):
            self._failing = False
        else:
            wait_ms = self._failed.check(self.peers.of(scope).source_ip, now)
            if wait_ms:
                raise Throttled(
                    "Too many log-ins of this address failed; correct the access key, and wait.",
                    wait_ms=wait_ms,
                    by_failures=True,
                )

    def failed(self, scope: Scope, now: int) -> None:
        """Count a log-in that failed."""
        if self._failed is not None:
            self._failing = True
            self._failed.failed(self.peers.of(scope).source_ip, now)

    def admit(self, key: AccessKey, action: str, scope: Scope, now: int, resource: str = "*") -> None:
        """Let the holder of a proven key make a call: ask the policies first, then count it against limits.

        A call that is denied takes nothing from the limits of those who may.

        Args:
            key: whose holder was proven.
            action: what is called, e.g. `dysms:SmsConversion`.
            scope: of the request.
            now: ms.
            resource: what it is to be done to.

        Raises:
            AccessDenied: no policy allows the action, or one denies it; nothing was counted.
            Throttled: the caller is over a limit; nothing was counted.
        """
        self.authorize(key, action, scope, now, resource)
        if self._limited:
            self._take(key, action, now)

    def authorize(self, key: AccessKey, action: str, scope: Scope, now: int, resource: str = "*") -> None:
        """Ask the policies alone, e.g. to tell beforehand whether a call would be denied.

        Raises:
            AccessDenied: no policy allows the action, or one denies it.
        """
        authorize(key, action, lambda: context_of(self.peers, scope, now), resource)

    def _take(self, key: AccessKey, action: str, now: int) -> None:
        wait_ms = self._throttle.take(key.account, key.holder, action, now)
        if wait_ms:
            raise Throttled("This call is over a limit that the server's operator has set.", wait_ms=wait_ms)

    def refused(
        self, error: Exception, scope: Scope, *, who: str = "", what: str = "", request_id: str = ""
    ) -> None:
        """Record a refusal of authentication or authorization; other errors are none of the audit's."""
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

    def settle(self) -> None:
        """Write what the audit has only counted so far."""
        self._audit.settle()


def _is_audited(error: Refused) -> bool:
    if isinstance(error, Throttled):
        return error.by_failures
    return isinstance(error, (BadCredentials, AccessDenied)) or error.code.startswith(_CREDENTIALS)

"""Who calls by an AccessKeyId and its secret: for the native API and the pages."""

from starlette.types import Scope

from otpconv.access.keys import AccessKey
from otpconv.errors import BadCredentials, InactiveAccessKey
from otpconv.ledger.turns import Caller
from otpconv.service.compose import Service
from otpconv.web.front.gate import Gate


def caller_of(key: AccessKey) -> Caller:
    """Return in whose name the holder of a key waits for turns, and holds memory."""
    return Caller(key.account, key.holder)


class Callers:
    """Proves who calls."""

    def __init__(self, service: Service, gate: Gate) -> None:
        """Create the check.

        Args:
            service: knows the keys.
            gate: counts failed logins.
        """
        self._keys = service.keys
        self._gate = gate

    def prove(self, access_key_id: str, secret: str, scope: Scope, now: int) -> AccessKey:
        """Return the active access key of this id and secret; a wrong one is a failed login.

        Raises:
            BadCredentials: there is no such key, it has another secret, or it is disabled.
            Throttled: too many logins from this address failed.
        """
        self._gate.check(scope, now)
        try:
            key = self._keys.authenticate(access_key_id, secret)
        except InactiveAccessKey:  # its secret was right
            raise
        except BadCredentials:
            self._gate.failed(scope, now)
            raise
        self._keys.note_use(key, now)
        return key

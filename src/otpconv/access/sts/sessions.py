"""Sessions of assumed roles: issues temporary credentials, and finds the session behind them."""

from otpconv.access.keys import AccessKey, KeyRing, Role
from otpconv.access.policies.document import Document, parse_document
from otpconv.access.policies.grants import Grants
from otpconv.access.sealing import Sealer
from otpconv.access.sts.tokens import (
    DEFAULT_DURATION_S,
    Session,
    TemporaryCredentials,
    issue,
    open_token,
)
from otpconv.errors import MalformedToken, NotFound

#: Sessions whose policies are cached; beyond this the cache is cleared.
_KEPT = 1_024


class Sessions:
    """Temporary credentials of the roles of a key ring.

    Args:
        sealer: encrypts the security tokens.
        keys: the roles.
    """

    def __init__(self, sealer: Sealer, keys: KeyRing) -> None:
        self._sealer = sealer
        self._keys = keys
        self._kept: dict[str, tuple[Role, AccessKey]] = {}

    def assume(
        self,
        role: Role,
        *,
        session_name: str,
        policy: str,
        duration_s: int | None,
        now: int,
    ) -> TemporaryCredentials:
        """Return temporary credentials for a caller that is allowed `sts:AssumeRole` on the role.

        Args:
            role: a role in the caller's account.
            session_name: the caller's name for the session.
            policy: a policy that restricts the session, as JSON that `parse_document` accepts; empty for
                none.
            duration_s: how long they are valid, s; None for an hour, or the role's maximum if that is less.
            now: ms.

        Raises:
            InvalidRequest: the name, the duration or the length of the policy is invalid.
        """
        longest_s = role.max_duration_s
        return issue(
            self._sealer,
            account=role.account,
            role=role.name,
            session_name=session_name,
            now=now,
            session_policy=policy,
            duration_s=min(DEFAULT_DURATION_S, longest_s) if duration_s is None else duration_s,
            max_duration_s=longest_s,
            role_created_at=role.created_at,
        )

    def open(self, security_token: str, access_key_id: str, now: int) -> AccessKey:
        """Return the holder of temporary credentials. Verify the signature next; this does not.

        The policies are the current ones of the role, so detaching a policy takes effect at once.

        Raises:
            MalformedToken: the token is not ours or is damaged, or its role no longer exists.
            MismatchedToken: it belongs to another AccessKeyId.
            ExpiredToken: it has expired.
        """
        session = open_token(self._sealer, security_token, access_key_id, now)
        try:
            role = self._keys.role(session.account, session.role)
        except NotFound:
            raise _gone() from None
        # A role that was created again under the same name is a different role. The times alone don't show
        # it: a role that was created while the clock was ahead would seem younger than its sessions.
        made_at = session.role_created_at
        if role.created_at != made_at if made_at else role.created_at > session.issued_at:
            raise _gone()
        kept = self._kept.get(security_token)
        if kept is None or kept[0] is not role:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            kept = self._kept[security_token] = role, _key(session, role)
        return kept[1]


def _key(session: Session, role: Role) -> AccessKey:
    policy: Document | None = parse_document(session.session_policy) if session.session_policy else None
    return AccessKey(
        access_key_id=session.access_key_id,
        secret=session.secret,
        user=role.name,
        account=role.account,
        account_name=role.account_name,
        grants=Grants(role.grants.policies, policy),
        active=True,
        created_at=session.issued_at,
        session_name=session.session_name,
    )


def _gone() -> MalformedToken:
    return MalformedToken("The role of this security token is there no more; assume another one.")

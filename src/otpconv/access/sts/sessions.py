"""Roles that somebody assumed: handing out temporary credentials, and finding who is behind them."""

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
        sealer: seals the security tokens.
        keys: knows the roles.
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
        """Return temporary credentials for a caller who was admitted to `sts:AssumeRole` on the role.

        Args:
            role: the role; of the caller's account.
            session_name: what the caller names the session.
            policy: a policy that restricts the session, as JSON that `parse_document` takes; empty for none.
            duration_s: how long they shall be good for; None for an hour, or what the role allows.
            now: ms.

        Raises:
            InvalidRequest: the name, the duration or the length of the policy is not as it must be.
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
        """Return who is behind temporary credentials; that they hold the secret is still to be proven.

        The policies are those that the role has now, so what is detached is gone at once.

        Raises:
            MalformedToken: the token is not ours or was damaged, or its role is there no more.
            MismatchedToken: it belongs to another AccessKeyId.
            ExpiredToken: its time is over.
        """
        session = open_token(self._sealer, security_token, access_key_id, now)
        try:
            role = self._keys.role(session.account, session.role)
        except NotFound:
            raise _gone() from None
        # A role of the same name that was made again is another one. By times alone, a role that was made
        # while the clock was ahead would be younger than its sessions.
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

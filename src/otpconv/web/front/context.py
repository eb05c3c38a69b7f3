"""What policies may ask about a request: its condition keys."""

from starlette.types import Scope

from otpconv.access.policies.conditions import Context
from otpconv.access.policies.evaluation import global_keys
from otpconv.web.front.peer import Peers


def context_of(peers: Peers, scope: Scope, now: int) -> Context:
    """Return the condition keys of a request and their values.

    Args:
        peers: tells where the request came from.
        scope: of the request.
        now: ms.
    """
    peer = peers.of(scope)
    return global_keys(
        source_ip=peer.source_ip, now=now, secure_transport=peer.secure, user_agent=peer.user_agent
    )

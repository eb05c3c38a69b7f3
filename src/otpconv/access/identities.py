"""Which user an identity of an OpenID Connect provider signs in as."""

from collections.abc import Callable, Mapping as Claims
from urllib.parse import urlsplit

from otpconv.errors import BadCredentials, Misconfigured

#: Values of a claim and the user that each signs in as; the first entry that fits wins.
Mapping = tuple[tuple[str, str], ...]

#: Values of a claim that are looked at, e.g. groups; longer lists are refused.
MAX_VALUES = 500
#: Characters of a value that an error repeats.
_SHOWN_CHARS = 100


def is_private_url(url: str) -> bool:
    """Return whether a URL is private: nobody else can read requests to it, by HTTPS or on this machine."""
    try:
        parts = urlsplit(url)
        local = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and local))


def parse_mapping(text: str) -> Mapping:
    """Return the mapping that a setting describes, e.g. `alice@example.com=alice,ops=admin`.

    Raises:
        Misconfigured: an entry lacks its value or its user.
    """
    entries = [part.rpartition("=") for part in text.split(",") if part.strip()]
    mapping = tuple((value.strip(), user.strip()) for value, _, user in entries)
    if not all(value and user for value, user in mapping):
        raise Misconfigured("Use comma-separated entries VALUE=USER, e.g. alice@example.com=alice,ops=admin.")
    return mapping


def needed_claims(claim: str) -> tuple[str, ...]:
    """Return the claims that `user_of_identity` reads for the setting `oidc_claim`."""
    return ("email", "email_verified") if claim == "email" else (claim,)


def user_of_identity(
    claims: Claims[str, object], claim: str, mapping: Mapping, exists: Callable[[str], bool]
) -> str:
    """Return the name of the user that an identity signs in as.

    Args:
        claims: of the verified ID token, and of the UserInfo endpoint.
        claim: the claim that names the user; its value is a text, or a list of texts.
        mapping: which values sign in as which users. If it is empty, a value is the name of its user.
        exists: whether a user exists.

    Raises:
        BadCredentials: the identity belongs to no user, or to several; the text names the claim.
    """
    values = _values(claims, claim)
    if mapping:
        found = [user for value, user in mapping if value in values][:1]
    else:
        found = [value for value in values if exists(value)]
    if len(found) == 1 and exists(found[0]):
        return found[0]
    shown = ", ".join(value[:_SHOWN_CHARS] for value in values[:5])
    if len(found) > 1:
        raise BadCredentials(
            f'The claim "{claim}" fits several users: {", ".join(found[:5])}. Ask the operator to choose one '
            "with the setting oidc_users."
        )
    if found:
        raise BadCredentials(
            f'The claim "{claim}" is "{shown}", which signs in as the user {found[0]}, but there is no such '
            "user. Ask the operator to create it."
        )
    raise BadCredentials(
        f'The identity provider knows you, but no user of otpconv belongs to you: the claim "{claim}" is '
        f'"{shown}". Ask the operator to create a user of this name, or to map the value to a user with '
        "the setting oidc_users."
    )


def _values(claims: Claims[str, object], claim: str) -> list[str]:
    given = claims.get(claim)
    values = given if isinstance(given, list) else [given]
    texts = [value for value in values if isinstance(value, str) and value and value.isprintable()]
    if not texts or len(values) > MAX_VALUES:
        raise BadCredentials(
            f'The identity provider sent no usable claim "{claim}". Ask the operator to add '
            "it at the provider, or to change the settings oidc_claim and oidc_scope."
        )
    if claim == "email" and str(claims.get("email_verified")).lower() != "true":
        raise BadCredentials(
            'The identity provider does not say that it has verified the address in the claim "email". '
            "Verify it there and sign in again, or ask the operator to choose another claim, e.g. sub, with "
            "the setting oidc_claim."
        )
    return texts

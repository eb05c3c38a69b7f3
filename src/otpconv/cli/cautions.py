"""Warnings about policies that name an action or a condition key that nothing here has."""

from collections.abc import Iterable

from otpconv.cli.terminal import note


def caution_of_policy(document: str | bytes) -> list[str]:
    """Print what a reader of a policy may overlook to standard error, and return it.

    Args:
        document: the policy as JSON.

    Raises:
        InvalidRequest: it is not a policy.
    """
    # The server's libraries are not there in a client's installation.
    from otpconv.access.policies.cautions import cautions
    from otpconv.access.policies.document import parse_document

    return caution(cautions(parse_document(document)))


def caution(texts: Iterable[str]) -> list[str]:
    """Print warnings to standard error, and return them."""
    texts = [*texts]
    for text in texts:
        note(f"caution: {text}")
    return texts

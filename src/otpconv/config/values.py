"""How the value of each setting is read and checked; a ValueError says what to write instead."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final

from pydantic import AfterValidator, SecretStr

from otpconv.access.identities import is_private_url, parse_mapping
from otpconv.access.limits import Limit, parse_limit
from otpconv.errors import InvalidRequest, Misconfigured
from otpconv.times import parse_zone

#: The text of a limit that is not set.
OFF: Final = "off"


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks of a comma-separated text."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def joined(value: object) -> object:
    """Join a TOML list of texts to one comma-separated text; return any other value unchanged."""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ",".join(value)
    return value


def networks_text(text: str) -> str:
    """Check comma-separated networks."""
    try:
        networks(text)
    except ValueError as error:
        raise ValueError(f"{error}; use comma-separated networks, e.g. 10.0.0.0/8,2001:db8::/32") from None
    return text


def limit(text: str) -> Limit | None:
    """Return a limit, or None for `off`."""
    return None if text.strip().lower() == OFF else parse_limit(text)


def limit_text(text: str) -> str:
    """Check a limit, or `off`."""
    try:
        limit(text)
    except Misconfigured as error:
        raise ValueError(f"{error.text} To set no limit, use off.") from None
    return text


LimitText = Annotated[str, AfterValidator(limit_text)]


def issuer(text: str) -> str:
    """Check the URL of an identity provider."""
    if text and not is_private_url(text):
        raise ValueError("use the https:// URL of the provider, e.g. https://login.example.com")
    return text


def scope(text: str) -> str:
    """Check the scopes to ask an identity provider for."""
    if "openid" not in text.split():
        raise ValueError("include openid, e.g. openid email")
    return text


def mapping_text(text: str) -> str:
    """Check which values of a claim are which user."""
    try:
        parse_mapping(text)
    except Misconfigured as error:
        raise ValueError(error.text) from None
    return text


def region(text: str) -> str:
    """Return a country as ISO 3166 has it; an empty text stays."""
    if not text.strip():
        return ""
    # Imported here, so that commands without a region do not load the number plans.
    from otpconv.phone import region_of  # noqa: PLC0415

    try:
        return region_of(text)
    except Misconfigured as error:
        raise ValueError(error.text) from None


def zone(name: str) -> str:
    """Return the name of a time zone as the time zone database has it."""
    try:
        return parse_zone(name).key
    except InvalidRequest as error:
        raise ValueError(error.text) from None


def ledger(url: SecretStr | None) -> SecretStr | None:
    """Check the URL of the ledger's database; no error contains it."""
    if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("use a URL of PostgreSQL, e.g. postgresql://otpconv@db.internal/otpconv")
    return url

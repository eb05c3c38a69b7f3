"""Settings of the server; the only module of the server that reads the environment.

A setting is a variable `OTPCONV_NAME`, or a key of the same name in lower case in `otpconv.toml` (in the
working directory, or at the path in `OTPCONV_CONFIG`). Options of the command line override variables;
variables override the file.
"""

import os
import re
import tomllib
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from otpconv.access.identities import Mapping, parse_mapping
from otpconv.access.limits import Limit
from otpconv.config import values
from otpconv.config.values import OFF, LimitText
from otpconv.errors import Misconfigured
from otpconv.spelling import did_you_mean, nearest

#: Settings whose values no error shows.
_SECRET = frozenset({"ledger", "sealing_key", "oidc_client_secret"})
_PREFIX = "OTPCONV_"
_LIST = "; docs/reference/settings.md lists all settings"

#: Variables with the prefix of settings that the reporter and the commands that call a server read.
OTHER_VARIABLES = frozenset(
    _PREFIX + name
    for name in (
        "ACCESS_KEY_ID",
        "ACCESS_KEY_SECRET",
        "BROKER",
        "CONFIG",
        "DEGRADED",
        "ENDPOINT",
        "KEY_FILE",
        "SECURITY_TOKEN",
        "SPOOL",
    )
)


class Settings(BaseSettings):
    """What an operator can set; `docs/reference/settings.md` is made from this text.

    Attributes:
        host: address to listen on.
        port: port to listen on; 0 chooses a free one.
        data: folder that holds all state of the embedded engine; with `ledger`, only the sealing key and what
            belongs to this node.
        ledger: URL of a PostgreSQL that keeps reports, rates, keys and annotations:
            `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`. It may name several hosts, and have parameters of
            libpq, e.g. `?sslmode=verify-full`. Default: SQLite files in `data`.
        ledger_ca: PEM file with the certificate authority of the PostgreSQL. Default: a connection to another
            machine is encrypted, but the server is not verified.
        ledger_connections: how many questions are answered in PostgreSQL at the same time; further ones wait.
        ledger_connect_timeout: how long connecting to the PostgreSQL may take, in seconds, to all its hosts
            together.
        ledger_statement_timeout: how long a statement may take in PostgreSQL, in seconds.
        ledger_lock_timeout: how long a statement may wait for a lock in PostgreSQL, in seconds.
        ledger_report_timeout: how long PostgreSQL may take to look up the messages of reports, and again to
            commit the reports, in seconds. While it does not answer, reports get 503 within twice this time.
        public_url: URL under which people reach the server. Links in errors, the link that signs in, and
            the explorer's code begin with it. Default: the address that the server listens on.
        sealing_key: 32 bytes, in hex or base64, that encrypt the stored secrets; the same for all nodes of a
            PostgreSQL. Default: the file `sealing.key` in `data`.
        alerts: look for what needs an alert, and keep alerts. Each minute, a process of its own looks at the
            counts of messages.
        alerts_budget: how many false alarms a month are allowed, over all slices and kinds of alerts of an
            account together. Fewer false alarms mean that true ones are found later.
        region: country (ISO 3166, e.g. `CN`) of phone numbers that have no country code. Default: numbers
            without a country code are not read.
        tz: time zone in which the commands read and show times, e.g. `Europe/Berlin`; `--tz` overrides it.
        strict: refuse conversions of messages that were never reported as requested. While the ledger is
            200,000 reports behind, the server answers all reports with 503, because it can't know these
            messages.
        unmatched_days: how long a conversion waits for its message, in days.
        retention_days: how long messages are kept, in days. Every day, the server deletes older messages of
            all accounts; rates stay. Default: messages are kept for ever.
        drain_seconds: how long a server that gets SIGTERM goes on before it stops, while `/readyz` says 503
            and each connection ends with its next response, so that load balancers send requests elsewhere.
        log_level: `debug`, `info`, `warning` or `error`.
        tls_cert: PEM file with the server's certificate and its chain. Together with `tls_key`, the server
            speaks HTTPS. New connections get a renewed certificate within seconds, without a restart.
        tls_key: PEM file with the certificate's private key, unencrypted.
        require_tls: refuse requests that did not arrive by HTTPS, at this server or at a trusted proxy.
            `/healthz` and `/readyz` stay open.
        trusted_proxies: networks whose `X-Forwarded-For` and `X-Forwarded-Proto` headers are believed, e.g.
            `10.0.0.0/8,2001:db8::/32`. In the file it may be a list.
        oidc_issuer: URL of the OpenID Connect provider whose users may sign in to the pages. It must be
            HTTPS, except on this machine. Default: people sign in with access keys only.
        oidc_client_id: the client id of this server at the provider.
        oidc_client_secret: the client secret of this server at the provider.
        oidc_scope: the scopes to ask the provider for. `openid` is required.
        oidc_claim: the claim that names the user, e.g. `email`, `sub` or `groups`; from the ID token, or else
            from the UserInfo endpoint.
        oidc_users: which values of the claim sign in as which user, e.g. `alice@example.com=alice,ops=admin`.
            The first entry that fits wins. Default: the value is the name of the user.
        oidc_account: the account of these users.
        limit_account: how often an account may call, with all its keys together, e.g. `500/s burst 1000`,
            or `off`.
        limit_key: how often an access key may call.
        limit_action: how often an account may call each single action.
        limit_failed_logins: how often logins from one source address may fail. Beyond it, the server
            refuses all calls from this address for a while.
    """

    model_config = SettingsConfigDict(env_prefix="OTPCONV_", extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    data: Path = Path("otpconv-data")
    ledger: Annotated[SecretStr | None, AfterValidator(values.ledger)] = None
    ledger_ca: Path | None = None
    ledger_connections: Annotated[int, Field(ge=1, le=100)] = 8
    ledger_connect_timeout: Annotated[int, Field(ge=1, le=60)] = 5
    ledger_statement_timeout: Annotated[int, Field(ge=1, le=3600)] = 30
    ledger_lock_timeout: Annotated[int, Field(ge=1, le=3600)] = 5
    ledger_report_timeout: Annotated[float, Field(ge=0.1, le=60)] = 1.4
    public_url: str | None = None
    sealing_key: SecretStr | None = None
    alerts: bool = True
    alerts_budget: Annotated[float, Field(ge=0.01, le=1000)] = 1.0
    region: Annotated[str, AfterValidator(values.region)] = ""
    tz: Annotated[str, AfterValidator(values.zone)] = "UTC"
    strict: bool = False
    unmatched_days: Annotated[int, Field(ge=1, le=3650)] = 7
    retention_days: Annotated[int | None, Field(ge=1, le=36500)] = None
    drain_seconds: Annotated[int, Field(ge=0, le=300)] = 0
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    require_tls: bool = False
    trusted_proxies: Annotated[str, BeforeValidator(values.joined), AfterValidator(values.networks_text)] = ""
    oidc_issuer: Annotated[str, AfterValidator(values.issuer)] = ""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr | None = None
    oidc_scope: Annotated[str, AfterValidator(values.scope)] = "openid email"
    oidc_claim: Annotated[str, Field(min_length=1, max_length=100)] = "email"
    oidc_users: Annotated[str, BeforeValidator(values.joined), AfterValidator(values.mapping_text)] = ""
    oidc_account: str = "default"
    limit_account: LimitText = OFF
    limit_key: LimitText = OFF
    limit_action: LimitText = OFF
    limit_failed_logins: LimitText = "20/m"

    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the networks of `trusted_proxies`."""
        return values.networks(self.trusted_proxies)

    def oidc_mapping(self) -> Mapping:
        """Return the entries of `oidc_users`: values of the claim and names of users."""
        return parse_mapping(self.oidc_users)

    def limits(self) -> tuple[Limit | None, Limit | None, Limit | None, Limit | None]:
        """Return the limits of an account, an access key, an action, and of failed logins; None is off."""
        return (
            values.limit(self.limit_account),
            values.limit(self.limit_key),
            values.limit(self.limit_action),
            values.limit(self.limit_failed_logins),
        )

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, InitSettingsSource(settings_cls, _parsed(_file()))


def environment() -> dict[str, str]:
    """Return a copy of the environment of this process, for child processes."""
    return dict(os.environ)


def load(**given: object) -> Settings:
    """Return the settings.

    Args:
        given: settings from the command line, by name; None means that an option was not given.

    Raises:
        Misconfigured: a setting is unknown or malformed; the text names it, its value and its origin.
    """
    options = {name: value for name, value in given.items() if value is not None}
    _refuse_misspelled_variables()
    try:
        return Settings(**options)  # type: ignore[arg-type]
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name = str(problem["loc"][0])
        where = (
            f"the command line; else {_PREFIX}{name.upper()}, or {name} in {_file()}"
            if name in options
            else _origin(name)
        )
        if problem["type"] == "extra_forbidden":
            hint = did_you_mean(name, Settings.model_fields) or _LIST
            raise Misconfigured(f"{where}: there is no setting {name}{hint}") from None
        what = problem["msg"].removeprefix("Value error, ")
        value = f"{problem['input']!r}"
        if name not in _SECRET and value not in what:
            what = f"{value}: {what}"
        raise Misconfigured(f"setting {name}: {what} (set by {where})") from None


def unknown_variables() -> list[str]:
    """Return the variables with the prefix of settings that otpconv does not know."""
    known = OTHER_VARIABLES | {_PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(
        name for name in os.environ if name.upper().startswith(_PREFIX) and name.upper() not in known
    )


def _refuse_misspelled_variables() -> None:
    # Others set such variables, too: Kubernetes sets OTPCONV_SERVICE_HOST for a service named otpconv.
    settings = [_PREFIX + name.upper() for name in Settings.model_fields]
    for name in unknown_variables():
        meant = nearest(name.upper().removeprefix(_PREFIX), Settings.model_fields)
        if meant and nearest(name, [*settings, *OTHER_VARIABLES]) == _PREFIX + meant.upper():
            raise Misconfigured(f"{name}: there is no such setting; did you mean {_PREFIX}{meant.upper()}?")


def _file() -> Path:
    return Path(os.environ.get("OTPCONV_CONFIG", "otpconv.toml"))


def _parsed(file: Path) -> dict[str, Any]:
    if not file.is_file():
        if "OTPCONV_CONFIG" in os.environ:
            raise Misconfigured(
                f"OTPCONV_CONFIG names {file}, which is not a file: correct the path, or unset the variable"
            )
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{file} can't be read as TOML ({error}): correct the file") from None


def _origin(name: str) -> str:
    """Return the origin of a setting: the variable, or the line of the file."""
    for variable in os.environ:
        if variable.upper() == _PREFIX + name.upper():
            return variable
    file = _file()
    key = rf"\s*(?:\[\s*)?([\"']?){re.escape(name)}\1\s*[=.\]]"
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if re.match(key, line, re.IGNORECASE):
            return f"{file}, line {number}"
    return str(file)

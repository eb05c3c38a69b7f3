"""Settings of the server; the only place that reads the environment.

Every setting can be a variable `OTPCONV_NAME` or a key of the same name, in lower case, in the TOML file
`otpconv.toml` of the working directory (or the one `OTPCONV_CONFIG` names). Command-line options come first,
then variables, then the file.
"""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)
from typing_extensions import override

from otpconv.errors import Misconfigured


class Settings(BaseSettings):
    """What an operator can set.

    Attributes:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        data: folder that holds all state of the embedded engine.
        public_url: where people reach this server, for links; default: the address listened on.
        sealing_key: 32 bytes in hex or base64, seals the secrets; default: the file `sealing.key` in `data`.
        strict: refuse conversions of messages that were never reported as requested.
        unmatched_days: how long a conversion waits for its message, days.
        log_level: `debug`, `info`, `warning` or `error`.
    """

    model_config = SettingsConfigDict(env_prefix="OTPCONV_", extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    data: Path = Path("otpconv-data")
    public_url: str | None = None
    sealing_key: SecretStr | None = None
    strict: bool = False
    unmatched_days: Annotated[int, Field(ge=1, le=3650)] = 7
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"

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
        file = Path(os.environ.get("OTPCONV_CONFIG", "otpconv.toml"))
        if "OTPCONV_CONFIG" in os.environ and not file.is_file():
            raise Misconfigured(f"OTPCONV_CONFIG names {file}, which is not a file")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)


def environment() -> dict[str, str]:
    """Return a copy of this process's environment, for processes that it starts."""
    return dict(os.environ)


def load(**given: object) -> Settings:
    """Return the settings; `given` are those of the command line, None meaning not given.

    Raises:
        Misconfigured: a setting is unknown or malformed; the text names it and where it can be set.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in problem["loc"])
        raise Misconfigured(
            f"setting {name}: {problem['msg']} (OTPCONV_{name.upper()}, or {name} in otpconv.toml)"
        ) from None
    except (SettingsError, ValueError) as error:
        raise Misconfigured(f"otpconv.toml can't be read: {error}") from None

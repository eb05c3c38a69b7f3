"""Who is calling, and how arguments and the environment together say it."""

from collections.abc import Callable

from msgspec import Struct


class Credentials(Struct, frozen=True):
    """An access key, with the security token when it is a temporary one.

    Attributes:
        access_key_id: the AccessKeyId.
        access_key_secret: the AccessKeySecret.
        security_token: of temporary credentials (STS); empty otherwise.
    """

    access_key_id: str
    access_key_secret: str
    security_token: str = ""

    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return f"Credentials({self.access_key_id!r})"


#: Asked before each round of delivery, so that temporary credentials can be renewed.
Provider = Callable[[], Credentials]

#: The parts of credentials as variables of the environment, and as arguments.
VARIABLES = ("OTPCONV_ACCESS_KEY_ID", "OTPCONV_ACCESS_KEY_SECRET", "OTPCONV_SECURITY_TOKEN")
ARGUMENTS = ("access_key_id=", "access_key_secret=", "security_token=")


def complete(
    given: Credentials, found: Credentials, arguments: tuple[str, ...] = ARGUMENTS
) -> Credentials | None:
    """Return the credentials that arguments and the environment together make.

    An argument overrides its variable. Missing parts are read from the environment, unless the
    environment holds another key: then a whole pair of arguments stands alone, and half a pair is refused.

    Args:
        given: the arguments; missing parts are empty.
        found: the values in the environment, likewise.
        arguments: what the arguments are called, for error texts; a token may not be among them.

    Returns:
        The credentials; None when there is neither an id nor a secret anywhere.

    Raises:
        ValueError: half a pair is missing, or belongs to another key. The text repeats no secret.
    """
    here, there = _parts(given), _parts(found)
    differ = [
        place for place in range(len(VARIABLES)) if here[place] and there[place] not in {"", here[place]}
    ]
    if differ and not (given.access_key_id and given.access_key_secret):
        some = " and ".join(name for name, part in zip(arguments, here, strict=False) if part)
        raise ValueError(
            f"half an access key: only {some} is given, and the environment holds another key"
            f" ({VARIABLES[differ[0]]} differs); give {arguments[0]} and {arguments[1]} together"
        )
    if differ:
        there = ("", "", "")
    key = Credentials(*(mine or other for mine, other in zip(here, there, strict=True)))
    if not key.access_key_id and not key.access_key_secret:
        return None
    for place, part in enumerate((key.access_key_id, key.access_key_secret)):
        half = 1 - place
        if not part:
            known = arguments[half] if here[half] else VARIABLES[half]
            raise ValueError(
                f"half an access key: there is {known} without its other half;"
                f" give {arguments[place]} or set {VARIABLES[place]}"
            )
        if part != part.strip():
            name = arguments[place] if here[place] else VARIABLES[place]
            raise ValueError(
                f"{name} begins or ends with blank space, e.g. the line feed at the end of a file: strip it"
            )
    return key


def _parts(credentials: Credentials) -> tuple[str, str, str]:
    return credentials.access_key_id, credentials.access_key_secret, credentials.security_token

"""Who is calling."""

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

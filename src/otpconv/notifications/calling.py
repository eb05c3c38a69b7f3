"""Posts to a target by HTTP, once."""

from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from typing import Final
from urllib.parse import SplitResult

from otpconv.delivery.connection import Connection, Unreachable
from otpconv.delivery.transport import DELIVERED, Fate, Outcome
from otpconv.delivery.verdicts import of_status, wait_ms
from otpconv.notifications.message import DEADLINE_MS

#: The most bytes of an answer: nobody reads more of it than its status.
_MAX_ANSWER_BYTES: Final = 1024 * 1024


def post(url: SplitResult, target: str, headers: Mapping[str, str], content: bytes, now: int) -> Outcome:
    """Post to a target, and return what became of it; nothing follows a redirect.

    Args:
        url: names the server.
        target: path and query.
        headers: of the request.
        content: its body.
        now: ms.
    """
    with closing(Connection(f"{url.scheme}://{url.netloc}", DEADLINE_MS, _MAX_ANSWER_BYTES)) as connection:
        try:
            answer = connection.post(target, headers, content)
        except Unreachable as error:
            return Outcome(Fate.FAILED, error.kind, str(error))
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return DELIVERED
    return of_status(answer.status, "", f"it answered HTTP {answer.status}", wait_ms(answer.headers, now))

"""Reads answers of vendors by a table: how an error code begins -> what becomes of the report."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

from msgspec import MsgspecError, Struct

from otpconv.delivery.connection import Response
from otpconv.delivery.transport import DELIVERED, Fate, Outcome
from otpconv.delivery.verdicts import of_status, wait_ms
from otpconv.storage.relay.contract import Send

#: Statuses by which vendors refuse a report and not its caller, if the answer names a code.
_ABOUT_THE_REPORT = {400, 404, 409, 413, 420, 422, 423}


def text_of(value: object) -> str:
    """Return a value of an answer that is a text, or a number in some versions; empty if it is neither."""
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


class Named(NamedTuple):
    """What the body of an answer says: a code, empty if it has none, and a text for people."""

    code: str = ""
    text: str = ""


class Answers(Struct, frozen=True):
    """How a vendor answers.

    Attributes:
        named: returns what a body says. May raise `MsgspecError`: such a body says nothing.
        fates: how a code begins -> the fate of the report; the first that fits decides.
        in_body: whether the body alone tells a success, and not the HTTP status 2xx.
        probed: codes that answer the harmless call of the kind if the credentials are right.
    """

    named: Callable[[bytes], Named]
    fates: Mapping[str, Fate] = {}
    in_body: bool = False
    probed: frozenset[str] = frozenset()

    def outcome(self, answer: Response, now: int) -> Outcome:
        """Return the meaning of an answer, which came at `now` (ms)."""
        try:
            code, text = self.named(answer.body)
        except MsgspecError:
            code, text = Named()
        successful = HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES
        reason, wait = text or f"HTTP {answer.status}", wait_ms(answer.headers, now)
        fate = next((fate for begin, fate in self.fates.items() if code.startswith(begin)), None)
        if fate is Fate.DELIVERED or (successful and not self.in_body):
            return DELIVERED
        if fate is None and successful and not code:
            return Outcome(Fate.FAILED, "Garbled", "the answer is not one of the vendor's API", wait)
        if fate is None and code and (successful or answer.status in _ABOUT_THE_REPORT):
            fate = Fate.REJECTED
        if fate is None:
            fate = of_status(answer.status, "", reason, wait).fate
        return Outcome(fate, code or f"HTTP {answer.status}", reason, wait)

    def read(self, answer: Response, sends: Sequence[Send], now: int) -> list[Outcome]:
        """Return the outcome of each feedback of a call: it is the same for all."""
        return [self.outcome(answer, now)] * len(sends)

    def read_probe(self, answer: Response, now: int) -> Outcome:
        """Return the meaning of the answer to the harmless call."""
        outcome = self.outcome(answer, now)
        return DELIVERED if outcome.code in self.probed else outcome

"""What a case is."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.worst_cases.traffic import Traffic
from benchmarks.worst_cases.world import World

#: Sends the traffic of a case, in a process of its own, until the traffic is over.
Attack = Callable[[Traffic], object]


@dataclass(frozen=True)
class Case:
    """One thing that a caller can do.

    Attributes:
        caller: who does it.
        name: what they do.
        prepare: makes ready what the attack sends, before anything is measured.
        spoils: whether the ledger is another one afterwards, so that the next case needs a fresh one.
    """

    caller: str
    name: str
    prepare: Callable[[World], Attack]
    spoils: bool = False


class Cases(list[Case]):
    """The cases of one caller, in order."""

    def __init__(self, caller: str) -> None:
        """Take who the caller is."""
        super().__init__()
        self._caller = caller

    def add(
        self, name: str, *, spoils: bool = False
    ) -> Callable[[Callable[[World], Attack]], Callable[[World], Attack]]:
        """Add the function below as a case."""

        def register(prepare: Callable[[World], Attack]) -> Callable[[World], Attack]:
            self.append(Case(self._caller, name, prepare, spoils))
            return prepare

        return register

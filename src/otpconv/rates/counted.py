"""What the ledger counted for a plan, by slot and group. Pure."""

from msgspec import Struct

from otpconv.rates.cost import Cost, summed
from otpconv.rates.delays import total
from otpconv.rates.plan import Plan
from otpconv.rates.slices import Group
from otpconv.storage.contract import Tally

#: Start of the slot (ms; 0 without an interval), and the group.
SlotGroup = tuple[int, Group]


class Cell(Struct):
    """What the rollups count in one slot and group.

    Attributes:
        tally: all messages.
        delays: the verified messages by bin of their delay; empty where delays were not fetched.
        young: the messages that are not mature, by the two ages (ms) between which they are.
        costs: what all messages cost, by currency; empty where costs were not fetched.
    """

    tally: Tally = Tally()
    delays: tuple[int, ...] = ()
    young: dict[tuple[int, int], Tally] = {}
    costs: tuple[Cost, ...] = ()

    def add(self, other: "Cell") -> None:
        """Add the counts of another cell."""
        self.tally += other.tally
        self.delays = (
            total((self.delays, other.delays))
            if self.delays and other.delays
            else self.delays or other.delays
        )
        for ages, tally in other.young.items():
            self.add_young(ages, tally)
        self.add_costs(other.costs)

    def add_young(self, ages: tuple[int, int], tally: Tally) -> None:
        """Add messages that are not mature; `tally` already has them."""
        self.young[ages] = self.young.get(ages, Tally()) + tally

    def add_costs(self, costs: tuple[Cost, ...]) -> None:
        """Add what some of the messages cost; `tally` already has them."""
        if costs:
            self.costs = summed(self.costs + costs)


class Counted(Struct, frozen=True):
    """A plan, and the cells that had messages; `priced` if they have their costs too."""

    plan: Plan
    cells: dict[SlotGroup, Cell]
    priced: bool = False

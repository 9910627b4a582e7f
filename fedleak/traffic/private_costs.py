"""Private costs: what answers took that an operator gave without seeing them, by setting, defense and attack."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

from fedleak.analysis.conditions import Condition, condition_of_row
from fedleak.contracts.private_inference import Cost
from fedleak.formatting import number
from fedleak.runs.reading import FinishedRun
from fedleak.traffic.asked_cells import asked_cells


@dataclass(frozen=True, kw_only=True)
class PrivateCost:
    """What one attack's answers took over all seeds; figures are for one answer."""

    condition: Condition
    defense: str
    """The row's name in the experiment."""
    algorithm: str
    attack: str
    queries: int
    """All that were asked."""
    cells: int
    cost: Cost
    """Of those really computed."""

    @property
    def words(self) -> tuple[str, ...]:
        """Computed of asked, seconds, bytes up, down and between for an answer, bytes once, and the difference."""
        cost, answers = self.cost, max(1, self.cost.answers)
        return (
            f"{cost.answers:,} of {self.queries:,}",
            number(cost.seconds / answers),
            *(f"{size / answers:,.0f}" for size in (cost.uploaded, cost.downloaded, cost.between)),
            f"{cost.once / self.cells:,.0f}",
            f"{cost.difference:.1e}",
        )


def private_costs(run: FinishedRun) -> list[PrivateCost]:
    """In the order of the results; none where the operator saw all. Raises `RecordingError` for a damaged log."""
    return list(_costs(run))


def _costs(run: FinishedRun) -> Iterator[PrivateCost]:
    groups: dict[tuple[Condition, str, str, str], list[tuple[int, Cost]]] = {}
    for cell in asked_cells(run):
        log, row = cell.log, cell.row
        if log.private is not None and log.private.cost.answers:
            where = condition_of_row(row), row.defense, log.private.defense, row.attack
            groups.setdefault(where, []).append((len(log), log.private.cost))
    for (condition, defense, algorithm, attack), found in groups.items():
        yield PrivateCost(
            condition=condition,
            defense=defense,
            algorithm=algorithm,
            attack=attack,
            queries=sum(asked for asked, _ in found),
            cells=len(found),
            cost=reduce(Cost.and_then, (cost for _, cost in found)),
        )

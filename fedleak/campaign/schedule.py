"""Schedule of a run: the federations still to run, the sections that each serves, and the cells that wait."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from fedleak.campaign.cell import Cell, Section
from fedleak.campaign.federation_job import Federation
from fedleak.campaign.plan import records_of
from fedleak.campaign.workers import Engine
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.canonical import trained_as
from fedleak.results.schema import Split
from fedleak.runs.folder import RunFolder

ORDER: tuple[Split, ...] = ("tuning", "test", "calibration")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What is left to do, in order."""

    sections: Mapping[tuple[str, str], Sequence[Section]]
    """Parts of the results that share a federation, by its key."""
    federations: deque[Federation]
    cells: deque[Cell] = field(default_factory=deque)

    @property
    def empty(self) -> bool:
        """Whether nothing is left to do."""
        return not self.cells and not self.federations

    def next(self) -> Federation | Cell | None:
        """Takes the next job off the schedule. Cells go first: what a federation made is attacked before the next."""
        if self.cells:
            return self.cells.popleft()
        return self.federations.popleft() if self.federations else None


def schedule_of(campaign: Campaign, folder: RunFolder, engine: Engine) -> Schedule:
    """Every federation once, in plan order: those for tuning first, which others may wait for, and for thresholds last.

    The latter leave nothing to attack, so they record nothing.
    """
    of_flower: Literal["loopback", "simulation"] = "simulation" if engine == "simulation" else "loopback"
    sections: dict[tuple[str, str], list[Section]] = {}
    federations: deque[Federation] = deque()
    clean: dict[tuple[str, str], Federation] = {}
    records = records_of(campaign)
    for number, point in enumerate(campaign.points):
        for defense in point.experiment.defenses:
            trained = trained_as(point.experiment, defense)
            folder.share(defense.name, point.federation, trained.name)
            left = () if point.split == "calibration" else records
            federation = Federation(root=folder.root, point=point, defense=trained, engine=of_flower, records=left)
            if federation.key not in sections:
                federations.append(federation)
            sections.setdefault(federation.key, []).append((number, defense.name))
            if federation.twin is not None:
                folder.share(defense.name, point.twin or "", trained.name)
                clean.setdefault(federation.twin, replace(federation, point=point.untampered))
    twins = [federation for key, federation in clean.items() if key not in sections]
    sections |= {twin.key: [] for twin in twins}
    first = sorted([*twins, *federations], key=lambda one: ORDER.index(one.point.split))
    return Schedule(sections=sections, federations=deque(first))

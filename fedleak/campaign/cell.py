"""Cell of a campaign: one attack on one recording, independent of every other cell."""

from dataclasses import dataclass
from pathlib import Path

from fedleak.contracts.chain import Chain
from fedleak.contracts.metric import Metric, metrics
from fedleak.errors import FedleakError
from fedleak.evaluation.views import Terms
from fedleak.results.row import Place
from fedleak.runs.cell_file import Saved
from fedleak.runs.folder import RunFolder
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import Table

Section = tuple[int, str]
"""A point's place in the campaign, and the name of a defense."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a worker needs to know; small, and the same on any machine that has the run folder."""

    root: Path
    point: int
    """The place of its point in the campaign."""
    place: Place
    table: Table
    """The attack, every option written out."""
    metrics: tuple[str, ...]
    adversary: AdversarySettings
    chain: tuple[Table, ...] = ()
    """The defenses as they act in the run, those of answers too."""
    twin: str | None = None
    """The federation, by its folder, of clean code, where a payload is looked for in that too."""
    home: str | None = None
    """See `TaskSettings.home`."""
    address: str

    @property
    def section(self) -> Section:
        """The part of the results that it belongs to."""
        return self.point, self.place.defense

    @property
    def folder(self) -> RunFolder:
        """The run that the cell belongs to."""
        return RunFolder(self.root)

    @property
    def terms(self) -> Terms:
        """On what terms the attack is let at the message."""
        place = self.place
        seed_key = (place.seed, "service", place.attack, place.defense, place.round, str(sorted(place.setting.items())))
        return Terms(adversary=self.adversary, chain=Chain.build(self.chain), seed_key=seed_key)

    @property
    def built_metrics(self) -> tuple[Metric, ...]:
        """Its metrics, ready to score."""
        return tuple(metrics.build(name, {}) for name in self.metrics)

    def lost(self, reason: str) -> Saved:
        """What is entered where the process died that ran the cell; nothing is on disk, so it is run again."""
        rows = self.place.failed(self.built_metrics, reason)
        return Saved(rows=tuple(rows), address=self.address).crashed(FedleakError(reason))

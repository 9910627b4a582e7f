"""A run folder read back: for reports, gates, queries and comparisons."""

from dataclasses import dataclass
from pathlib import Path

from fedleak.campaign.campaign import Campaign
from fedleak.campaign.federation_row import FederationRow, read_federations
from fedleak.campaign.folder import RunFolder
from fedleak.campaign.grid import load_campaign
from fedleak.campaign.whole import cell_of, require_federations, require_whole
from fedleak.errors import RecordingError, UserError
from fedleak.manifest import Manifest, read_manifest
from fedleak.results import Row, read_results


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """What a run left. `rows` are all of them, tuning rows too; `statistics.summarise` leaves those out."""

    folder: RunFolder
    campaign: Campaign
    rows: tuple[Row, ...]
    federations: tuple[FederationRow, ...]
    manifest: Manifest

    @property
    def unfinished(self) -> int:
        """Cells that were planned and have no result: a run that was interrupted, or still goes on."""
        if self.manifest.exit_status is not None:
            return max(0, self.manifest.cells_planned - self.manifest.cells_finished)
        return max(1, self.manifest.cells_planned - len({cell_of(row) for row in self.rows}))


def read_run(root: Path) -> FinishedRun:
    """Reads a run folder; raises `RecordingError`, one sentence, where it is missing, empty or damaged."""
    folder = RunFolder(root)
    if not root.is_dir():
        raise RecordingError(f"{root} is no folder; expected the folder of a run, as `fedleak run` leaves it")
    if not folder.experiment.exists():
        raise RecordingError(f"{root} is no run folder: it has no experiment.toml; name the folder that --out named")
    rows = tuple(read_results(folder.results))
    if not rows:
        raise RecordingError(f"{root} is an empty run: results.jsonl has no rows; run the experiment again")
    campaign, manifest = _campaign(folder), read_manifest(folder.manifest)
    require_whole(rows, campaign, manifest, folder.results)
    federations = tuple(read_federations(folder.federations)) if folder.federations.exists() else ()
    require_federations(federations, campaign, manifest, folder.federations)
    return FinishedRun(folder=folder, campaign=campaign, rows=rows, federations=federations, manifest=manifest)


def _campaign(folder: RunFolder) -> Campaign:
    try:
        return load_campaign(folder.experiment)
    except UserError as error:
        raise RecordingError(f"{folder.experiment} is damaged or of another version: {error}") from error

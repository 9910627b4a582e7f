"""Reading a finished run: its rows whole, or refused with a sentence; for reports, gates, queries and comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedleak.errors import RecordingError, UserError
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.grid import load_campaign
from fedleak.results.dp_row import DPRow, read_dp_rows
from fedleak.results.federation_row import FederationRow, read_federations
from fedleak.results.row import Row, read_results
from fedleak.results.schema import Setting, setting_key
from fedleak.runs.folder import RunFolder
from fedleak.runs.kept_apps import require_kept
from fedleak.runs.manifest import Manifest, read_manifest

AGAIN = "run the experiment again, finished cells are kept"


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """What a run left. `rows` are all of them, tuning rows too; `statistics.summarize` leaves those out."""

    folder: RunFolder
    campaign: Campaign
    rows: tuple[Row, ...]
    federations: tuple[FederationRow, ...]
    manifest: Manifest
    audits: tuple[DPRow, ...] = ()
    """What canaries show of its chains, where somebody audited it by `fedleak audit-dp`."""

    @property
    def unfinished(self) -> int:
        """Cells that were planned and have no result: a run that was interrupted, or still goes on."""
        if self.manifest.exit_status is not None:
            return max(0, self.manifest.cells_planned - self.manifest.cells_finished)
        return max(1, self.manifest.cells_planned - len({cell_of(row) for row in self.rows}))


def read_run(root: Path) -> FinishedRun:
    """Reads a run folder; raises `RecordingError`, one sentence, where it is missing, empty or damaged."""
    folder = RunFolder(root)
    campaign = read_campaign(folder).reported
    rows = tuple(read_results(folder.results))
    if not rows:
        attacked = any(point.experiment.attacks for point in campaign.points)
        why = "results.jsonl has no rows; run the experiment again" if attacked else "its experiment has no attacks"
        raise RecordingError(f"{root} is an empty run: {why}")
    manifest = read_manifest(folder.manifest)
    require_whole(rows, campaign, manifest, folder.results)
    federations = tuple(read_federations(folder.federations)) if folder.federations.exists() else ()
    require_federations(federations, campaign, manifest, folder.federations)
    audits = tuple(read_dp_rows(folder.dp_audit)) if folder.dp_audit.exists() else ()
    return FinishedRun(
        folder=folder, campaign=campaign, rows=rows, federations=federations, manifest=manifest, audits=audits
    )


def require_whole(rows: Sequence[Row], campaign: Campaign, manifest: Manifest, path: Path) -> None:
    """Raises `RecordingError` where a cell has a row twice or lacks one, or a cell of a run that ended has none."""
    cells: dict[tuple[Any, ...], set[str]] = {}
    for row in rows:
        metrics = cells.setdefault(cell_of(row), set())
        if row.metric in metrics:
            raise RecordingError(
                f"{path} is damaged: it has {row.metric} of {row.attack} under '{row.defense}', round {row.round}, "
                f"{row.client} twice; {AGAIN}"
            )
        metrics.add(row.metric)
    if manifest.exit_status is not None and len(cells) < manifest.cells_finished:
        raise RecordingError(f"{path} is damaged: {len(cells)} of {manifest.cells_finished} cells have rows; {AGAIN}")
    _require_metrics(cells, campaign, path)


def require_federations(rows: Sequence[FederationRow], campaign: Campaign, manifest: Manifest, path: Path) -> None:
    """Raises `RecordingError` where a round of a federation is there twice, or lacks in a run that ended whole."""
    rounds = {(*_point_of(row), row.defense, row.round) for row in rows}
    if len(rounds) < len(rows):
        raise RecordingError(f"{path} is damaged: it has a round of a federation twice; {AGAIN}")
    ends = {(*_point_of(row), row.defense): row.round for row in rows if row.settled}
    expected = sum(
        ends.get((point.federation, setting_key(point.setting), defense.name), point.rounds)
        for point in campaign.points
        for defense in point.experiment.defenses
    )
    whole = manifest.exit_status is not None and manifest.cells_finished == manifest.cells_planned
    if whole and len(rounds) < expected:
        raise RecordingError(f"{path} is damaged: {len(rounds)} of {expected} rounds have rows; {AGAIN}")


def cell_of(row: Row) -> tuple[Any, ...]:
    """What tells a row's cell from every other of its run."""
    return (*_point_of(row), row.defense, row.round, row.client, row.attack)


def read_campaign(folder: RunFolder) -> Campaign:
    """What a run was asked to do; raises `RecordingError` where the folder is missing, none of ours, or damaged.

    Also where an audited app that it keeps was changed.
    """
    root = folder.root
    if not root.is_dir():
        raise RecordingError(f"{root} is no folder; expected the folder of a run, as `fedleak run` leaves it")
    if not folder.experiment.exists():
        raise RecordingError(f"{root} is no run folder: it has no experiment.toml; name the folder that --out named")
    require_kept(folder)
    try:
        return load_campaign(folder.experiment)
    except UserError as error:
        raise RecordingError(f"{folder.experiment} is damaged or of another version: {error}") from error


def _require_metrics(cells: dict[tuple[Any, ...], set[str]], campaign: Campaign, path: Path) -> None:
    expected = {
        (point.federation, setting_key(point.setting)): frozenset(point.experiment.metrics) for point in campaign.points
    }
    for (federation, setting, *_), metrics in cells.items():
        wanted = expected.get((federation, setting))
        if wanted is None:
            raise RecordingError(f"{path} is damaged: it has rows of no setting of experiment.toml; {AGAIN}")
        if wanted - metrics:
            lacking = ", ".join(sorted(wanted - metrics))
            raise RecordingError(f"{path} is damaged: a cell has no row for {lacking}; {AGAIN}")


def _point_of(row: Row | FederationRow) -> tuple[str, Setting]:
    return row.federation, setting_key(row.setting)

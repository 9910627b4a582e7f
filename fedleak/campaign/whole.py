"""Whether the files of a run have all the rows that it ended with: files cut between two lines are damaged too."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fedleak.campaign.campaign import Campaign
from fedleak.campaign.federation_row import FederationRow
from fedleak.errors import RecordingError
from fedleak.manifest import Manifest
from fedleak.results import Row

AGAIN = "run the experiment again, finished cells are kept"


def cell_of(row: Row) -> tuple[Any, ...]:
    """What tells a row's cell from every other of its run."""
    return (*_point_of(row), row.defense, row.round, row.client, row.attack)


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
    experiments = [point.experiment for point in campaign.points]
    expected = sum(len(one.defenses) * one.rounds for one in experiments)
    whole = manifest.exit_status is not None and manifest.cells_finished == manifest.cells_planned
    if whole and len(rounds) < expected:
        raise RecordingError(f"{path} is damaged: {len(rounds)} of {expected} rounds have rows; {AGAIN}")


def _require_metrics(cells: dict[tuple[Any, ...], set[str]], campaign: Campaign, path: Path) -> None:
    expected = {
        (point.federation, tuple(sorted(point.setting.items()))): frozenset(point.experiment.metrics)
        for point in campaign.points
    }
    for (federation, setting, *_), metrics in cells.items():
        wanted = expected.get((federation, setting))
        if wanted is None:
            raise RecordingError(f"{path} is damaged: it has rows of no setting of experiment.toml; {AGAIN}")
        if wanted - metrics:
            lacking = ", ".join(sorted(wanted - metrics))
            raise RecordingError(f"{path} is damaged: a cell has no row for {lacking}; {AGAIN}")


def _point_of(row: Row | FederationRow) -> tuple[str, tuple[tuple[str, Any], ...]]:
    return row.federation, tuple(sorted(row.setting.items()))

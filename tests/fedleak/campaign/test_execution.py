"""Execution of a campaign: the truth is read once a cell, and what a run holds to until it is over."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fedleak.campaign import workers
from fedleak.campaign.cell import Cell
from fedleak.campaign.events import Events
from fedleak.campaign.execution import execution_of
from fedleak.campaign.workers import InThisProcess, Workers
from fedleak.errors import FedleakError
from fedleak.experiment.grid import parse_campaign
from fedleak.results.federation_row import read_federations
from fedleak.results.row import Row, read_results
from fedleak.results.schema import AGGREGATE
from fedleak.runs.folder import RunFolder
from fedleak.runs.ownership import claim
from fedleak.statistics.tuning import tuned_variants
from fedleak.vault import batches as vault

TREE = {
    "name": "reads",
    "task": "digits-mlp",
    "metrics": ["psnr"],
    "federation": {"clients": 3, "rounds": 2},
    "adversary": {"auxiliary": 8},
    "attacks": [{"use": "dlg", "steps": 2}, {"use": "loss-trajectory"}],
    "defenses": [{"name": "none"}, {"name": "summed", "chain": [{"use": "secure-aggregation"}]}],
}
DEPOSITS = {(round, client) for round in (1, 2) for client in (0, 1, 2)}


def execute(root: Path) -> None:
    folder, campaign = RunFolder(root), parse_campaign(TREE)
    claim(folder, campaign)
    execution_of(campaign, folder, "loopback", Events()).execute(InThisProcess)


def cohort_of(cell: Cell) -> set[tuple[int, int]]:
    clients = (0, 1, 2) if cell.place.client == AGGREGATE else (cell.place.client,)
    return {(cell.place.round, int(client)) for client in clients}


@pytest.mark.slow
def test_each_truth_that_a_cell_needs_is_read_from_the_vault_once(tmp_path, monkeypatch):
    """The one client's, or the cohort's; and all where the attack is asked whose an example is."""
    reads: Counter[Path] = Counter()
    cells: list[tuple[Cell, Counter[Path]]] = []
    read_pair, run_cell = vault.read_pair, workers.run_cell

    def counting(path):
        reads[path] += 1
        return read_pair(path)

    def attributing(cell):
        reads.clear()
        saved = run_cell(cell)
        cells.append((cell, Counter(reads)))
        reads.clear()
        return saved

    monkeypatch.setattr(vault, "read_pair", counting)
    monkeypatch.setattr(workers, "run_cell", attributing)
    execute(tmp_path / "run")
    assert reads == Counter()  # nobody else reads it while a campaign is executed
    assert len(cells) == 2 * 2 * (3 + 3 + 1)
    for cell, counted in cells:
        needed = DEPOSITS if cell.table["use"] == "loss-trajectory" else cohort_of(cell)
        own = cell.folder.vault(cell.place.defense, cell.place.federation)
        assert counted == Counter({vault.stem_of(own, *key): 1 for key in needed}), cell.place


def test_where_no_federation_came_to_anything_the_first_error_is_raised(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise FedleakError("no server")

    monkeypatch.setattr("fedleak.campaign.federation_job.run_federation", fail)
    with pytest.raises(FedleakError, match="no server"):
        execute(tmp_path / "run")
    assert "no server" in (tmp_path / "run" / "results.jsonl").read_text()


TUNED = {
    "name": "tuned", "task": "digits-mlp", "metrics": ["psnr"], "seed": [0, 1], "federation": {"clients": 2},
    "adversary": {"auxiliary": 8, "victims": 1}, "utility": {"rounds": 2},
    "attacks": [{"use": "dlg", "steps": [1, 30]}, {"use": "prior"}],
    "tuning": {"seeds": [5], "only_chosen": True},
}  # fmt: skip


def tuned(root: Path, workers: Callable[[], Workers] = InThisProcess) -> list[Row]:
    outcome_of(root, workers)
    return [replace(row, seconds=0.0) for row in read_results(RunFolder(root).results)]


def outcome_of(root: Path, workers: Callable[[], Workers]) -> None:
    folder, campaign = RunFolder(root), parse_campaign(TUNED)
    claim(folder, campaign)
    execution_of(campaign, folder, "loopback", Events()).execute(workers)


class Dying(InThisProcess):
    """Killed after so many jobs."""

    def __init__(self, jobs: int) -> None:
        super().__init__()
        self.left = jobs

    def next(self, advance):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().next(advance)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing stopped, and its rows."""
    root = tmp_path_factory.mktemp("tuned") / "whole"
    return root, tuned(root)


@pytest.mark.slow
def test_tuning_comes_first_and_the_seeds_of_the_results_see_what_it_chose(whole):
    _, rows = whole
    tried = {row.attack for row in rows if row.split == "tuning"}
    (winner,) = {variant.attack for variant in tuned_variants(rows)}
    assert tried == {"dlg steps=1", "dlg steps=30"}
    assert [(row.seed, row.attack) for row in rows if row.split == "test"] == [
        (seed, attack) for seed in (0, 1) for attack in (winner, "prior")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2, 4, 5])
def test_a_run_that_is_killed_while_it_tunes_ends_as_one_that_is_not(whole, tmp_path, jobs):
    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path / "killed", lambda: Dying(jobs))
    assert tuned(tmp_path / "killed") == whole[1]


@pytest.mark.slow
def test_tuning_seeds_train_no_further_than_their_messages(whole):
    rows = read_federations(RunFolder(whole[0]).federations)
    assert [(row.seed, row.round) for row in rows] == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3), (5, 1)]

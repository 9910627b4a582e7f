"""Cell job: whatever an attack does or returns, its cell ends with a result: figures, or a reason."""

from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
import pytest
import torch

from fedleak.campaign.cell_job import run_cell
from fedleak.campaign.federation_job import Federation, run_federation_of
from fedleak.campaign.plan import cells_of
from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Diagnosis, Kind, Reconstruction, TracePoint
from fedleak.contracts.served import Served
from fedleak.errors import LONGEST_REASON, sentence
from fedleak.experiment.grid import parse_campaign
from fedleak.runs import cell_file
from fedleak.runs.cell_file import Saved
from fedleak.serving.log import read_log


@attacks.register("test-odd")
@dataclass(frozen=True, kw_only=True)
class Odd(Attack):
    """Misbehaves in the way that it is told."""

    paper: ClassVar = "https://example.org"
    bibtex: ClassVar = "@misc{none}"
    way: str

    def reconstruct(self, observation, rng):
        return WAYS[self.way]()


def leave():
    raise SystemExit("bye")


def wordy():
    raise RuntimeError("a long story\n" * 1000)


@attacks.register("test-asking")
@dataclass(frozen=True, kw_only=True)
class Asking(Attack[Served]):
    """Asks seven inputs twice and ends in an error."""

    paper: ClassVar = "https://example.org"
    bibtex: ClassVar = "@misc{none}"

    @property
    def targets(self):
        return frozenset({"representatives"})

    def reconstruct(self, observation, rng):
        for _ in range(2):
            observation.service.ask(torch.rand(7, *observation.task.shape, generator=rng))
        raise RuntimeError("enough")


WAYS = {
    "leaves": leave,
    "wordy": wordy,
    "numpy": lambda: Reconstruction(mismatch=np.float32(0.5), failure="none"),
    "trace": lambda: Reconstruction(trace=(TracePoint(np.int64(3), 0.5),), failure="none"),
}


@pytest.fixture(scope="module")
def federated(tmp_path_factory):
    campaign = parse_campaign({
        "name": "odd", "task": "digits-mlp", "metrics": ["psnr"], "federation": {"clients": 1},
        "attacks": [{"use": "test-odd", "way": list(WAYS)}],
    })  # fmt: skip
    root = tmp_path_factory.mktemp("odd")
    point = campaign.points[0]
    federation = Federation(root=root, point=point, defense=point.experiment.defenses[0], engine="loopback")
    return cells_of(campaign, 0, root, federation.defense, run_federation_of(federation).messages)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_going_wrong_is_a_result(federated, way):
    (cell,) = (cell for cell in federated if cell.table["way"] == way)
    saved = run_cell(cell)
    assert saved.rows[0].reason
    assert "\n" not in saved.rows[0].reason
    assert len(saved.rows[0].reason) < LONGEST_REASON + 100
    kept = cell_file.load(cell.folder.cell(cell.place))
    assert kept.rows[0].reason == saved.rows[0].reason


@pytest.mark.slow
@pytest.mark.parametrize(("budget", "asked"), [(0, 0), (1, 1), (10, 10), (300, 14)])
@pytest.mark.parametrize("chain", [(), ({"use": "rate-limit", "answers": 5, "per": "all"},)])
def test_all_that_a_cell_asked_is_in_its_log_and_in_its_rows_and_none_more(tmp_path, budget, asked, chain):
    campaign = parse_campaign({
        "name": "asking", "task": "digits-mlp", "federation": {"clients": 1},
        "adversary": {"queries": budget}, "attacks": [{"use": "test-asking"}],
        "defenses": [{"name": "limited", "chain": list(chain)}],
    })  # fmt: skip
    point = campaign.points[0]
    federation = Federation(root=tmp_path, point=point, defense=point.experiment.defenses[0], engine="loopback")
    (cell,) = cells_of(campaign, 0, tmp_path, federation.defense, run_federation_of(federation).messages)
    saved = run_cell(cell)
    log = read_log(cell.folder.queries(cell.place))
    assert len(log) == asked
    assert int(log.refused.sum()) == (max(0, asked - 5) if chain else 0)
    assert {(row.queries, row.refused) for row in saved.rows} == {(asked, int(log.refused.sum()))}
    assert cell_file.load(cell.folder.cell(cell.place)).rows[0].queries == asked


def test_what_is_told_holds_no_pictures(federated):
    told = run_cell(federated[0]).without_pictures()
    assert told.guess.inputs is None
    assert told.prior.inputs is None
    assert told.rows


def test_a_reason_is_the_first_line_of_an_error():
    assert sentence(ValueError("one\ntwo")) == "ValueError: one"
    assert sentence(ValueError()) == "ValueError: "


def test_every_part_of_a_guess_is_kept(tmp_path):
    guess = Reconstruction(
        inputs=torch.rand(2, 1, 3, 3),
        labels=torch.tensor([1, 0]),
        membership=torch.rand(5),
        properties=torch.tensor([float("nan"), 0.5]),
        representatives=torch.rand(2, 1, 3, 3),
        columns=torch.rand(4, 2),
        secrets=torch.rand(10),
        payload=torch.rand(2, 3, 1, 3, 3),
        payload_bits=torch.tensor([[0.0, 1.0]] * 2),
        diagnosis=Diagnosis("plateau", "it does not get better"),
        note="unsure",
    )
    cell_file.save(tmp_path / "cell", Saved(rows=(), address="x", guess=guess))
    kept = cell_file.load(tmp_path / "cell").guess
    assert kept.guesses.keys() == guess.guesses.keys() == {*get_args(Kind)}
    assert kept.payload_bits is not None
    assert torch.equal(kept.payload_bits, torch.tensor([[0.0, 1.0]] * 2))
    for name, part in guess.guesses.items():
        assert torch.equal(kept.guesses[name].nan_to_num(-1), part.nan_to_num(-1))
    assert (kept.diagnosis, kept.note) == (guess.diagnosis, guess.note)

"""Users who mean no harm, users who ask noise, who ask one image in small steps, and who ask next to nothing."""

import shutil

import pytest
import torch

from fedleak.data.splits import load
from fedleak.randomness import generator
from fedleak.runs.folder import RunFolder
from fedleak.traffic.asked_cells import asked_cells
from fedleak.traffic.audit import audit
from fedleak.traffic.benign_users import BenignUsers


def usual(seed):
    others = load("digits-mlp").test.inputs[1::2]
    return others[torch.randperm(len(others), generator=generator("another user", seed))]


def noise(seed):
    return torch.rand(400, 1, 8, 8, generator=generator("noise", seed))


def steps(seed):
    image = load("digits-mlp").auxiliary.inputs[seed]
    return image + torch.linspace(0, 0.1, 400)[:, None, None, None]


def few(seed):
    return load("digits-mlp").auxiliary.inputs[seed : seed + 5]


TRAFFIC = {"usual": usual, "noise": noise, "steps": steps, "few": few}


@pytest.fixture(scope="session")
def watched(asked_run):
    return asked_run(TRAFFIC, "watched")


@pytest.fixture(scope="session")
def cells(watched):
    """The cells of each kind of traffic."""
    found = asked_cells(watched)
    return {kind: [cell for cell in found if cell.row.attack == kind] for kind in TRAFFIC}


@pytest.fixture(scope="session")
def users_of():
    """The users of the model that a cell asked, made once."""
    made = {}
    return lambda cell: made.get(cell.model) or made.setdefault(cell.model, BenignUsers.of(cell))


@pytest.fixture(scope="session")
def audited(watched):
    """The traffic of each attack."""
    return {one.attack: one for one in audit(watched).traffic}


@pytest.fixture
def damaged(watched, tmp_path):
    """A copy of the run, to be damaged, and the stem of its first log."""
    folder = RunFolder(shutil.copytree(watched.folder.root, tmp_path / "run"))
    return folder, folder.queries(watched.rows[0])

"""Defenses of a model before it leaves: what they change, what they leave, and that the federation goes on without."""

import math

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.experiment.grid import parse_campaign
from fedleak.learning.task import mean_loss
from fedleak.learning.weights import Weights
from fedleak.run import run
from fedleak.runs.reading import read_run
from fedleak.settings.task import TaskSettings
from fedleak.tasks import initial_weights, source_of, task_of

TASK = task_of("digits-mlp")
PUBLIC = load(source_of(TaskSettings.model_validate("digits-mlp"))).auxiliary


def left(table, weights=None, public=PUBLIC, seed=0) -> Weights:
    given = weights or initial_weights("digits-mlp", 1)
    return Chain.build((table,)).release(TASK, given, public, (seed,))


@pytest.mark.parametrize("mantissa", [1, 8, 22])
def test_rounded_weights_are_the_nearest_of_so_many_bits(mantissa):
    before = initial_weights("digits-mlp", 1)
    after = left({"use": "round-weights", "mantissa": mantissa})
    for name, value in before.parameters.items():
        bits = after.parameters[name].view(torch.int32)
        assert not (bits & ((1 << (23 - mantissa)) - 1)).any()
        assert ((after.parameters[name] - value).abs() <= value.abs() * 2.0 ** -(mantissa + 1)).all()
    again = left({"use": "round-weights", "mantissa": mantissa}, after)
    assert all(torch.equal(again.parameters[name], value) for name, value in after.parameters.items())


def test_rounding_to_seven_bits_is_what_bfloat16_holds():
    before, after = initial_weights("digits-mlp", 1), left({"use": "round-weights", "mantissa": 7})
    for name, value in before.parameters.items():
        assert torch.equal(after.parameters[name], value.bfloat16().float())


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_pruning_takes_the_smallest_of_all_layers_together(share):
    before = initial_weights("digits-mlp", 1)
    after = left({"use": "pruning", "share": share})
    matrices = [name for name, value in before.parameters.items() if value.dim() > 1]
    kept = torch.cat([before.parameters[name][after.parameters[name] != 0].abs() for name in matrices])
    gone = torch.cat([before.parameters[name][after.parameters[name] == 0].abs() for name in matrices])
    assert len(gone) == int(share * (len(gone) + len(kept)))
    assert not len(gone) or gone.max() <= kept.min()
    for name in set(before.parameters) - set(matrices):
        assert torch.equal(after.parameters[name], before.parameters[name])


def test_fine_tuning_moves_every_layer_and_learns_from_public_data():
    before = initial_weights("digits-mlp", 1)
    after = left({"use": "fine-tuning", "steps": 20})
    assert mean_loss(TASK, after, PUBLIC)[0] < mean_loss(TASK, before, PUBLIC)[0]
    assert all(not torch.equal(after.parameters[name], value) for name, value in before.parameters.items())
    again, other = left({"use": "fine-tuning"}), left({"use": "fine-tuning"}, seed=1)
    assert all(torch.equal(again.parameters[name], value) for name, value in after.parameters.items())
    assert any(not torch.equal(other.parameters[name], value) for name, value in after.parameters.items())


def test_without_public_data_there_is_nothing_to_tune_on():
    with pytest.raises(ConfigError, match="fine-tuning: expected public data to train on"):
        left({"use": "fine-tuning"}, public=None)


def test_a_model_that_nobody_gets_needs_none():
    tree = {"name": "n", "task": "digits-mlp", "defenses": [{"name": "rounded", "chain": [{"use": "round-weights"}]}]}
    with pytest.raises(ConfigError, match=r"'rounded' changes what leaves the federation .* and no model does"):
        parse_campaign(tree)


@pytest.mark.slow
def test_rows_that_differ_in_it_share_a_federation_and_are_each_as_good_as_what_leaves(tmp_path):
    tree = {
        "name": "n",
        "seed": 1,
        "task": "digits-mlp",
        "federation": {"clients": 2, "rounds": 2, "batch_size": 32, "batches": "all", "release": "last"},
        "utility": {"rounds": 1},
        "attacks": [{"use": "mi-face", "steps": 1}],
        "defenses": [
            {"name": "none"},
            {"name": "pruned", "chain": [{"use": "pruning", "share": 0.97}]},
        ],
    }
    folder = run(parse_campaign(tree), tmp_path / "run").folder
    assert len(list((folder.root / "recordings").rglob("model.json"))) == 1
    accuracy = {(row.defense, row.round): row.accuracy for row in read_run(folder.root).federations}
    assert accuracy["none", 1] == accuracy["pruned", 1]
    assert accuracy["pruned", 2] < accuracy["none", 2] - 0.05
    assert accuracy["pruned", 3] == accuracy["pruned", 2]  # what left stays what it is


@pytest.mark.slow
def test_one_that_fails_costs_its_row_and_no_other(tmp_path):
    tree = {
        "name": "n",
        "task": "digits-mlp",
        "federation": {"clients": 2, "batch_size": 32, "batches": 4, "release": "last"},
        "utility": {"rounds": 1},
        "attacks": [{"use": "mi-face", "steps": 1}],
        "defenses": [
            {"name": "tuned", "chain": [{"use": "fine-tuning", "learning_rate": 1e12}]},
            {"name": "pruned", "chain": [{"use": "pruning"}]},
        ],
    }
    outcome = run(parse_campaign(tree), tmp_path / "run")
    assert outcome.exit_status == 2
    found = read_run(outcome.folder.root)
    accuracy = {row.defense: row.accuracy for row in found.federations}
    assert math.isnan(accuracy["tuned"])
    assert accuracy["pruned"] > 0
    why = "no model could leave under fine-tuning: the model's gradient"
    assert all(why in row.reason for row in found.rows if row.defense == "tuned")
    assert not any(math.isnan(row.value) for row in found.rows if row.defense == "pruned")
    assert "tuned, the model that left after round 1" in outcome.folder.errors.read_text()

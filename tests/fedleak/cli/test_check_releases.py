"""May this model leave? The release policy refuses what an overfit federation releases, and lets DP-SGD's model go."""

from importlib.resources import files

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app

pytestmark = pytest.mark.slow
POLICY = str(files("fedleak") / "presets" / "release-policy.toml")
EXPERIMENT = """
name = "releases"
seed = [1, 2]
task = "digits-mlp"
metrics = ["membership-auc", "membership-tpr"]
[federation]
clients = 2
rounds = 12
epochs = 2
examples = 60
batch_size = 30
batches = "all"
learning_rate = 0.2
momentum = 0.9
release = "last"
[[attacks]]
use = "lira"
shadows = 16
[[defenses]]
name = "release"
chain = [CHAIN]
"""


def verdict(folder, chain):
    (folder / "experiment.toml").write_text(EXPERIMENT.replace("CHAIN", chain))
    run = CliRunner().invoke(app, ["run", str(folder / "experiment.toml"), "--out", str(folder / "run")])
    assert run.exit_code == 0, run.output
    said = CliRunner().invoke(app, ["check", str(folder / "run"), "--policy", POLICY])
    return said.exit_code, " ".join(said.stdout.split())


def test_an_overfit_model_may_not_leave(tmp_path):
    status, said = verdict(tmp_path, "")
    assert status == 1
    assert "FAIL rule 2 members are hardly told from strangers" in said
    assert "nothing is proved: there is no defense" in said
    assert "left out: no attack of this run has this figure" in said


def test_one_that_was_trained_under_dp_sgd_may(tmp_path):
    status, said = verdict(tmp_path, '{ use = "dp-sgd", max_norm = 1.0, epsilon = 4.0, delta = 1e-5 }')
    assert status == 0, said
    assert "FAIL" not in said


def test_a_student_of_few_teachers_tells_no_members_and_is_refused_for_want_of_a_proof(tmp_path):
    status, said = verdict(tmp_path, '{ use = "pate", std = 1.0, queries = 100, epochs = 20 }')
    assert status == 1
    assert "PASS rule 2" in said
    assert "FAIL rule 6 something is proved" in said

"""What defenses of data and releases cannot do is one sentence and status 2, before anything runs."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app

EXPERIMENT = """
name = "x"
task = "TASK"
[federation]
clients = CLIENTS
examples = 20
batch_size = 10
batches = "all"
release = "last"
[[attacks]]
use = "loss-threshold"
[[defenses]]
name = "x"
chain = [{ CHAIN }]
"""


@pytest.mark.parametrize(
    ("chain", "task", "clients", "words"),
    [
        ('use = "rappor", columns = ["bmi"], epsilon = 1.0', "diabetes-mlp", 2, "column 'bmi' is a number"),
        ('use = "rappor", columns = ["sexx"], epsilon = 1.0', "diabetes-mlp", 2, "no column 'sexx'"),
        ('use = "rappor", columns = ["sex"], epsilon = 0.0', "diabetes-mlp", 2, "greater than 0"),
        ('use = "sanitisation", suppress = ["sex"]', "digits-mlp", 2, "is for rows of a table"),
        ('use = "sanitisation", coarse = ["sex"]', "diabetes-mlp", 2, "column 'sex' is a category"),
        ('use = "sanitisation", among = ["sex"], k = 21', "diabetes-mlp", 2, "wants k = 21 rows of each kind"),
        ('use = "pate", std = 1.0, queries = 5', "digits-mlp", 1, "'pate' needs 2 clients or more"),
        ('use = "pate", std = 1.0, queries = 999', "digits-mlp", 2, "label queries = 999 public examples"),
    ],
)
def test_it_is_one_sentence_and_status_2(tmp_path: Path, chain: str, task: str, clients: int, words: str) -> None:
    tree = EXPERIMENT.replace("TASK", task).replace("CLIENTS", str(clients)).replace("CHAIN", chain)
    (tmp_path / "x.toml").write_text(tree)
    said = CliRunner().invoke(app, ["run", str(tmp_path / "x.toml"), "--out", str(tmp_path / "run")])
    assert said.exit_code == 2, said.output
    assert words in " ".join(said.output.split())
    assert "Traceback" not in said.output

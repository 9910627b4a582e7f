"""Fewer examples than an experiment asks for: said in one sentence before anything runs, also by --plan."""

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.errors import ConfigError
from fedleak.evaluation.asked_amounts import require_amounts
from fedleak.experiment.experiment import parse_experiment
from fedleak.run import run

TREE: dict[str, Any] = {
    "name": "n",
    "task": "digits-mlp",
    "federation": {"clients": 4, "batch_size": 1, "release": "last"},
    "attacks": [{"use": "loss-threshold"}],
}
EXAMPLES = {**TREE, "federation": {**TREE["federation"], "examples": 5000}}
QUERIES = {**TREE, "defenses": [{"name": "p", "chain": [{"use": "pate", "std": 1.0, "queries": 20_000}]}]}
SIZES = {"partitioner": "SizePartitioner", "partitioner_options": {"partition_sizes": [50, 50, 50, 40]}}
BEYOND = [
    (EXAMPLES, r"^federation\.examples: expected at most the \d+ examples of client 0's share, got 5000; take fewer"),
    (QUERIES, r"^'pate' has teachers label queries = 20000 public examples, and 'digits' has \d+; lower queries$"),
]


@pytest.mark.parametrize(("tree", "sentence"), BEYOND)
def test_more_than_there_are_is_refused_before_a_folder_is_made(
    tree: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        run(parse_experiment(tree), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("federation", "sentence"),
    [
        pytest.param(
            {**SIZES, "examples": 50},
            r"at most the 40 examples of client 3's share, got 50; take fewer",
            marks=pytest.mark.slow,  # importing flwr-datasets
        ),
        (
            {"examples": 90, "skew": {"property": "label=3", "shares": [0.1, 1.0]}},
            r"at most the \d\d examples of client",
        ),
    ],
)
def test_shares_of_every_seed_and_partitioner_are_looked_at(federation: dict[str, Any], sentence: str) -> None:
    tree = {**TREE, "federation": {**TREE["federation"], **federation}}
    seeds = [parse_experiment({**tree, "seed": seed}) for seed in (2, 3)]
    with pytest.raises(ConfigError, match=sentence):
        require_amounts(seeds, packaged=True)


def test_what_there_is_may_be_asked_for() -> None:
    require_amounts([parse_experiment({**TREE, "federation": {**TREE["federation"], "examples": 60}})])
    chain = [{"use": "pate", "std": 1.0, "queries": 20}]
    require_amounts([parse_experiment({**TREE, "defenses": [{"name": "p", "chain": chain}]})], packaged=True)


def test_a_plan_says_it_too(tmp_path: Path) -> None:
    file = tmp_path / "beyond.toml"
    file.write_text(
        'name = "n"\ntask = "digits-mlp"\nattacks = [{ use = "loss-threshold" }]\n'
        '[federation]\nrelease = "last"\nexamples = 5000\n'
    )
    said = CliRunner().invoke(app, ["run", str(file), "--plan"])
    assert isinstance(said.exception, ConfigError) or said.exit_code == 2


def test_a_plan_reads_nothing_that_is_no_part_of_a_package() -> None:
    require_amounts([parse_experiment({**EXAMPLES, "task": "cifar10-convnet"})], packaged=True)


@pytest.mark.parametrize(("use", "package"), [("encrypted-inference", "tenseal"), ("mpc-inference", "mpyc")])
def test_a_package_that_is_missing_is_named_before_anything_runs_unless_nothing_is_really_computed(
    use: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tree = {
        **TREE,
        "federation": {**TREE["federation"], "clients": 2},
        "adversary": {"queries": 10},
        "attacks": [{"use": "confidence-inversion"}],
    }
    unseen = {**tree, "defenses": [{"name": "unseen", "chain": [{"use": use}]}]}
    plain = {**tree, "defenses": [{"name": "unseen", "chain": [{"use": use, "computed": 0}]}]}
    monkeypatch.setitem(sys.modules, package, None)
    require_amounts([parse_experiment(plain)], packaged=True)
    with pytest.raises(ConfigError, match=rf'^{use} needs \w+, which is not installed; pip install "fedleak\[\w+\]"$'):
        run(parse_experiment(unseen), tmp_path / "out")
    assert not (tmp_path / "out").exists()

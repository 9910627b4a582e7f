"""Servers that single a client or a class out of a sum, through the protocol: from the experiment to the figures."""

import math
from pathlib import Path
from typing import Any

import pytest

from fedleak.experiment.grid import parse_campaign
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE
from fedleak.run import Outcome, run

UNBOUND = {"use": "secure-aggregation", "binds_model": False}
EXACT = {"use": "analytic-linear"}
TREE: dict[str, Any] = {
    "name": "what a server singles out of sums",
    "seed": 3,
    "task": "digits-mlp",
    "federation": {"clients": 4, "rounds": 1, "batch_size": 1},
    "metrics": ["psnr", "label-recall"],
    "defenses": [
        {"name": "unbound", "chain": [UNBOUND]},
        {"name": "bound", "chain": [{"use": "secure-aggregation"}]},
    ],
}


def sums(outcome: Outcome, defense: str) -> dict[str, list[Row]]:
    """The rows of the sums under a defense, by metric, in the order of the settings."""
    found: dict[str, list[Row]] = {}
    for row in outcome.rows:
        if row.defense == defense and row.client == AGGREGATE:
            found.setdefault(row.metric, []).append(row)
    return found


@pytest.mark.slow
def test_a_victim_comes_out_of_a_sum_exactly_and_alone(tmp_path: Path) -> None:
    server = {"name": "pasquini", "chain": [{"use": "inconsistency", "victim": 2}]}
    tree = {**TREE, "servers": [server], "attacks": [{"use": "isolated", "attack": EXACT}]}
    outcome = run(parse_campaign(tree), tmp_path / "run")
    assert all(problem.startswith("bound") for problem in outcome.problems)
    opened, lost = sums(outcome, "unbound"), sums(outcome, "bound")
    assert [row.samples for row in opened["psnr"]] == [1]
    assert opened["psnr"][0].value > 60
    assert opened["psnr"][0].baseline < 20
    assert opened["label-recall"][0].value == 1.0
    assert math.isnan(lost["psnr"][0].value)
    assert "the round is lost" in str(lost["psnr"][0].reason)


@pytest.mark.slow
def test_a_class_comes_out_of_a_sum(tmp_path: Path) -> None:
    chain = [{"use": "fishing", "target_class": [0, 1, 8]}]
    tree = {
        **TREE,
        "federation": {"clients": 4, "rounds": 1, "batch_size": 3},
        "servers": [{"name": "wen", "chain": chain}],
        "attacks": [{"use": "fished", "attack": EXACT}],
        "defenses": TREE["defenses"][1:],
    }
    outcome = run(parse_campaign(tree), tmp_path / "run")
    assert outcome.problems == ()
    several, single, nobody = sums(outcome, "bound")["psnr"]
    assert (several.samples, single.samples, nobody.samples) == (3, 1, 12)
    assert several.value > 40
    assert single.value > 60
    assert single.baseline < 20
    assert "nobody has an example of class 8" in str(nobody.reason)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "fished" in page


@pytest.mark.slow
def test_a_victim_with_fewer_examples_than_others_is_scored_by_its_own(tmp_path: Path) -> None:
    unequal = {"partitioner": "DirichletPartitioner", "partitioner_options": {"alpha": 0.5, "partition_by": "label"}}
    tree = {
        **TREE,
        "seed": 0,
        "federation": {"clients": 3, "rounds": 1, "batch_size": 8, "batches": "all", **unequal},
        "servers": [{"name": "pasquini", "chain": [{"use": "inconsistency", "victim": 1}]}],
        "attacks": [{"use": "isolated", "attack": {"use": "inverting-gradients", "steps": 2}}],
        "defenses": TREE["defenses"][:1],
    }
    outcome = run(parse_campaign(tree), tmp_path / "run")
    assert outcome.problems == ()
    for metric in ("psnr", "label-recall"):
        (row,) = sums(outcome, "unbound")[metric]
        assert math.isfinite(row.value), row.reason

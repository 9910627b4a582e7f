"""Neurons planted for known records say through secure aggregation which of them the clients trained on."""

import math
from pathlib import Path
from typing import Any

import pytest

from fedleak.errors import ConfigError
from fedleak.experiment.grid import parse_campaign
from fedleak.results.schema import AGGREGATE
from fedleak.run import run
from fedleak.verification.verify import verify

TREE: dict[str, Any] = {
    "name": "who trained on these?",
    "seed": 3,
    "task": "digits-mlp",
    "federation": {"clients": 4, "rounds": 1, "examples": 24, "batch_size": 24, "batches": 1, "planted": 32},
    "adversary": {"auxiliary": 256},
    "servers": [{"name": "ami", "chain": [{"use": "active-membership", "targets": 32}]}],
    "attacks": [{"use": "active-membership-readout"}],
    "metrics": ["membership-auc"],
    "defenses": [
        {"name": "summed", "chain": [{"use": "secure-aggregation"}]},
        {"name": "noisy", "chain": [{"use": "local-dp", "max_norm": 1.0, "epsilon": 8.0, "delta": 1e-5}]},
    ],
}


@pytest.mark.slow
def test_members_are_told_from_strangers_through_the_sum_and_not_under_noise(tmp_path: Path) -> None:
    outcome = run(parse_campaign(TREE), tmp_path / "run")
    assert outcome.problems == ()
    summed = [row for row in outcome.rows if row.client == AGGREGATE]
    assert [row.value for row in summed] == [1.0]
    assert 6 < len(summed[0].per_sample) < 26
    noisy = [row.value for row in outcome.rows if row.defense == "noisy" and not math.isnan(row.value)]
    assert len(noisy) == 4
    assert sum(noisy) / 4 < 0.8
    assert {check.verdict for check in verify(tmp_path / "run")} == {"agrees", "masked"}
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "disjoint from theirs but for copies of the first 32" in page


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"servers": []}, r"active-membership-readout reads what active-membership leaves, and the server is honest"),
        ({"federation": {"clients": 4}}, r"expected copies of 32 targets .* set federation.planted to 32 or more"),
    ],
)
def test_an_honest_server_and_records_that_nobody_can_have_are_refused(changes: dict, sentence: str) -> None:
    tree = {name: value for name, value in {**TREE, **changes}.items() if value != []}
    with pytest.raises(ConfigError, match=sentence):
        parse_campaign(tree)

"""Servers that lie in a protocol, as rows of an experiment: what they read, and in what words clients refuse."""

import math
import re
from pathlib import Path
from typing import Any

import pytest

from fedleak.errors import ConfigError
from fedleak.experiment.grid import parse_campaign
from fedleak.results.federation_row import read_federations
from fedleak.results.row import Row
from fedleak.run import run
from fedleak.verification.verify import verify

LIES = ("sybils", "asks-twice")
TREE: dict[str, Any] = {
    "name": "a server that lies",
    "seed": 1,
    "task": "digits-mlp",
    "federation": {"clients": 4},
    "attacks": [{"use": "analytic-linear"}],
    "metrics": ["psnr"],
    "servers": [{"name": name, "chain": [{"use": name, "victim": 1}]} for name in LIES],
    "defenses": [
        {"name": "summed", "chain": [{"use": "secure-aggregation"}]},
        {"name": "registered", "chain": [{"use": "secure-aggregation", "registry": True}]},
    ],
}


@pytest.mark.slow
def test_what_is_believed_is_read_and_what_is_refused_says_why(tmp_path: Path) -> None:
    outcome = run(parse_campaign(TREE), tmp_path / "run")
    assert outcome.problems == ()
    rows: dict[tuple[str, str, object], Row] = {
        (str(row.setting["server"]), row.defense, row.client): row for row in outcome.rows
    }
    assert rows["sybils", "summed", 1].value > 80
    assert all(rows["asks-twice", defense, 1].value < 20 for defense in ("summed", "registered"))
    refused = rows["sybils", "registered", 1]
    assert math.isnan(refused.value)
    assert "client 0 must have the identity key that is registered for it" in str(refused.reason)
    lost = {(row.server, row.defense) for row in read_federations(outcome.folder.federations) if row.lost}
    assert lost == {("sybils", "registered")}
    assert {check.verdict for check in verify(tmp_path / "run")} == {"agrees", "masked"}


@pytest.mark.parametrize(
    ("server", "chain", "sentence"),
    [
        ("sybils", [], "expected a run under 'secure-aggregation' or 'secure-aggregation-flower'"),
        ("lies-about-dropouts", [{"use": "clipping", "max_norm": 1.0}], "its clients send updates in the clear"),
        (
            "asks-twice",
            [{"use": "secure-aggregation"}],
            "expected a victim that is one of the 2 clients, 0 to 1, got 7",
        ),
    ],
)
def test_a_lie_that_does_not_fit_is_refused_in_a_sentence(
    tmp_path: Path, server: str, chain: list[Any], sentence: str
) -> None:
    victim = 7 if "victim" in sentence else 0
    tree = {
        **TREE,
        "federation": {"clients": 2},
        "servers": [{"name": "lies", "chain": [{"use": server, "victim": victim}]}],
        "defenses": [{"name": "own", "chain": chain}],
    }
    with pytest.raises(ConfigError, match=re.escape(sentence)) as refused:
        run(parse_campaign(tree), tmp_path / "run")
    assert refused.value.exit_status == 2
    assert str(refused.value).startswith(f"server 'lies', chain.0: {server}: ")

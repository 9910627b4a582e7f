"""A sum that a protocol rounds to a grid of its own agrees with its truths as far as the grid lets one tell."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.recording import read_recording, write_recording
from fedleak.settings.base import parse_settings
from fedleak.verification.verify import Check, verify

Sum = Callable[..., Path]


@pytest.fixture
def run(tmp_path: Path) -> Sum:
    def federated(**federation: Any) -> Path:
        tree = {"recordings": str(tmp_path / "recordings" / "none"), "vault": str(tmp_path / "vault" / "none")}
        chain = [{"use": "secure-aggregation-flower"}]
        settings = {"task": "digits-mlp", "chain": chain, "federation": {"clients": 3, **federation}}
        run_federation(parse_settings(FederationPlan, {**tree, **settings}))
        return tmp_path

    return federated


def of_the_sum(folder: Path) -> Check:
    *masked, last = verify(folder)
    assert [check.verdict for check in masked] == ["masked"] * 3
    return last


def test_a_sum_on_the_grid_agrees(run: Sum) -> None:
    found = of_the_sum(run(batch_size=64, batches=4))
    assert (found.verdict, found.message) == ("agrees", "round 1, aggregate")
    assert found.comparison is not None
    assert "rounds to a grid: this tells no difference below" in found.remark
    assert 0 < found.comparison.error < found.comparison.tolerance < 0.1


def test_another_update_does_not(run: Sum) -> None:
    folder = run(batch_size=64, batches=4)
    path = folder / "recordings" / "none" / "round-0001" / "aggregate.json"
    recording = read_recording(path)
    other = {name: value + 1e-3 for name, value in recording.payload.items()}
    write_recording(path.parent.parent, replace(recording, payload=other))
    assert of_the_sum(folder).verdict == "disagrees"


def test_where_the_grid_drowns_the_update_it_says_so(run: Sum) -> None:
    found = of_the_sum(run(batch_size=1, learning_rate=0.01))
    assert found.verdict == "undecided"
    assert "the rounding of the protocol" in found.remark

"""A sum that a protocol rounds to a grid of its own agrees with its truths as far as the grid lets one tell."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.recording.files import read_recording, write_recording
from fedleak.recording.payload import RING
from fedleak.settings.base import parse_settings
from fedleak.verification.verify import Check, verify

Sum = Callable[..., Path]


@pytest.fixture
def run(tmp_path: Path) -> Sum:
    def federated(ring: dict[str, Any] | None = None, **federation: Any) -> Path:
        tree = {"recordings": str(tmp_path / "recordings" / "none"), "vault": str(tmp_path / "vault" / "none")}
        chain = [{"use": "secure-aggregation-flower"} if ring is None else {"use": "secure-aggregation", **ring}]
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


def changed(folder: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Alters the elements of the sum."""
    path = folder / "recordings" / "none" / "round-0001" / "aggregate.json"
    recording = read_recording(path)
    write_recording(path.parent.parent, replace(recording, payload={RING: change(recording.payload[RING].clone())}))


def flipped(elements: torch.Tensor) -> torch.Tensor:
    """One entry in five hundred rounded the other way."""
    elements[:-2:500] += 1
    return elements


def with_one_entry_changed(elements: torch.Tensor) -> torch.Tensor:
    elements[7] += 2**12
    return elements


RINGS = [
    {},
    {"fraction_bits": 8},
    {"fraction_bits": 3},
    {"ring_bits": 32, "max_value": 0.001},
    {"ring_bits": 32, "max_value": 1.0, "fraction_bits": 6},
    {"ring_bits": 32, "max_value": 1000.0},
]


@pytest.mark.slow
@pytest.mark.parametrize("ring", RINGS, ids=str)
def test_rounding_and_cutting_of_our_ring_are_replayed(run: Sum, ring: dict[str, Any]) -> None:
    found = of_the_sum(run(ring))
    assert found.verdict == "agrees"
    assert found.comparison is not None
    assert found.comparison.error == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("leaves", ["masked", "unmask"])
def test_a_sum_over_those_who_stayed_is_replayed(run: Sum, leaves: str) -> None:
    ring, dropouts = {"fraction_bits": 8, "threshold": 3}, [{"client": 1, "stage": leaves}]
    *_, found = verify(run(ring, clients=4, dropouts=dropouts))
    assert (found.verdict, found.message) == ("agrees", "round 1, aggregate")


def test_values_that_another_machine_rounds_otherwise_are_no_disagreement(run: Sum) -> None:
    folder = run({"fraction_bits": 8})
    changed(folder, flipped)
    found = of_the_sum(folder)
    assert found.verdict == "agrees"
    assert found.comparison is not None
    assert 0 < found.comparison.error < found.comparison.tolerance
    assert "rounds to a grid" in found.remark


def test_a_fine_grid_is_not_spoken_of(run: Sum) -> None:
    found = of_the_sum(run({}))
    assert found.comparison is not None
    assert found.comparison.tolerance < 2e-4
    assert "grid" not in found.remark


@pytest.mark.slow
@pytest.mark.parametrize(
    "ring", [{"fraction_bits": 8}, {"ring_bits": 32, "max_value": 1.0, "fraction_bits": 6}], ids=str
)
def test_one_entry_that_was_changed_by_more_than_rounding_disagrees(run: Sum, ring: dict[str, Any]) -> None:
    folder = run(ring)
    changed(folder, with_one_entry_changed)
    found = of_the_sum(folder)
    assert found.verdict == "disagrees"
    assert "the sum does not follow" in found.remark


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda elements: elements[:10], "expected 9611 elements of 64 bits"),
        (lambda elements: elements * 0, "a sum must be of one example or more"),
    ],
    ids=["short", "without examples"],
)
def test_what_is_no_sum_disagrees_in_one_sentence(
    run: Sum, change: Callable[[torch.Tensor], torch.Tensor], said: str
) -> None:
    folder = run({})
    changed(folder, change)
    found = of_the_sum(folder)
    assert found.verdict == "disagrees"
    assert said in found.remark


def test_where_the_grid_drowns_the_update_it_says_so(run: Sum) -> None:
    found = of_the_sum(run(batch_size=1, learning_rate=0.01))
    assert found.verdict == "undecided"
    assert "the rounding of the protocol" in found.remark

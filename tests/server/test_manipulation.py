"""A server that sends crafted weights: clients get them, recordings hold them, and the model does not move."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Generator

from fedleak.contracts.manipulation import Crafting, Isolation, Manipulation, manipulations
from fedleak.federation.engine import run_federation
from fedleak.federation.outcome import FederationReport
from fedleak.federation.plan import FederationPlan
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.recording.files import read_recording
from fedleak.recording.recording import Recording
from fedleak.settings.base import Table, parse_settings
from fedleak.tasks import initial_weights
from fedleak.vault.batches import withdraw
from fedleak.verification.verify import verify


@manipulations.register("halving")
@dataclass(frozen=True, kw_only=True)
class Halving(Manipulation):
    """Halves all weights, or all but the victim's."""

    deed: ClassVar[str] = "halves the weights"
    takes: ClassVar[str] = "nothing"
    trains_on: bool = False  # type: ignore[misc]
    victim: int | None = None

    @property
    def sends_alike(self) -> bool:  # type: ignore[override]
        return self.victim is None

    def craft(self, at: Crafting, rng: Generator) -> Weights:
        if at.client == self.victim:
            return at.weights
        return at.weights.like({name: value / 2 for name, value in at.weights.state_dict().items()})

    def isolation(self, task: Task, before: Mapping[int, Weights]) -> Isolation | None:
        if self.victim not in before:
            return None
        ones = {name: torch.ones_like(value) for name, value in before[self.victim].parameters.items()}
        return Isolation(victim=self.victim, trusted=ones)


def run(folder: Path, chain: list[Table], does: Table, **settings: Any) -> FederationReport:
    tree = {
        "task": "digits-mlp",
        "recordings": str(folder / "recordings/none"),
        "vault": str(folder / "vault/none"),
        "federation": {"clients": 4, "rounds": 2, "batch_size": 2},
        "chain": chain,
        "server": {"name": "halver", "chain": [{"use": "halving", **does}]},
    }
    return run_federation(parse_settings(FederationPlan, {**tree, **settings}))


def read(report: FederationReport) -> dict[str, Recording]:
    return {f"{path.parent.name}/{path.stem}": read_recording(path) for path in report.recordings}


def halved(weights: Weights) -> dict[str, torch.Tensor]:
    return {name: value / 2 for name, value in weights.state_dict().items()}


MASKS: list[Table] = [{"use": "secure-aggregation"}]
UNBOUND: list[Table] = [{"use": "secure-aggregation", "binds_model": False}]


@pytest.mark.parametrize("chain", [[], MASKS], ids=["clear", "masked"])
def test_recordings_hold_what_was_sent_and_the_model_does_not_move(tmp_path: Path, chain: list[Table]) -> None:
    report = run(tmp_path, chain, {})
    assert not report.failures
    start = initial_weights("digits-mlp", 0)
    for one in read(report).values():
        if one.kind != "model":
            assert all(one.before.state_dict()[name].equal(value) for name, value in halved(start).items())
            assert (one.server, one.manipulations) == ("halver", (Halving(),))
            assert one.kind == "masked" or one.observation().manipulations == (Halving(),)
            assert one.isolation is None


def test_what_clients_learn_is_kept_where_the_manipulation_says_so(tmp_path: Path) -> None:
    found = read(run(tmp_path, [], {"trains_on": True}))
    first, second = found["round-0001/client-0000"], found["round-0002/client-0000"]
    mean = [found[f"round-0001/client-{client:04d}"].state for client in range(4)]
    for name, value in second.before.state_dict().items():
        assert torch.allclose(value * 2, torch.stack([one[name] for one in mean]).mean(0), atol=1e-6), name
    assert not first.before.state_dict().keys() ^ second.before.state_dict().keys()


def test_it_begins_in_the_round_that_is_asked_for(tmp_path: Path) -> None:
    server = {"name": "halver", "chain": [{"use": "halving"}], "begins": 2}
    found = read(run(tmp_path, [], {}, server=server))
    start = initial_weights("digits-mlp", 0)
    before = found["round-0001/client-0000"].before
    assert all(before.state_dict()[name].equal(value) for name, value in start.state_dict().items())
    mean = [found[f"round-0001/client-{client:04d}"].state for client in range(4)]
    for name, value in found["round-0002/client-0000"].before.state_dict().items():
        assert torch.allclose(value * 2, torch.stack([one[name] for one in mean]).mean(0), atol=1e-6), name


def test_masks_that_are_not_bound_to_the_model_open_a_sum_of_different_ones(tmp_path: Path) -> None:
    found = read(run(tmp_path, UNBOUND, {"victim": 2}))
    total = found["round-0001/aggregate"]
    assert total.victim == 2
    assert total.isolation is not None
    assert total.isolation.trusted.keys() == total.before.parameters.keys()
    start = initial_weights("digits-mlp", 0)
    assert all(total.before.state_dict()[name].equal(value) for name, value in start.state_dict().items())
    other = found["round-0001/client-0001"].before.state_dict()
    assert all(other[name].equal(value) for name, value in halved(start).items())


def test_masks_bound_to_the_model_lose_the_round_in_words(tmp_path: Path) -> None:
    report = run(tmp_path, MASKS, {"victim": 2})
    assert not [one for one in read(report).values() if one.kind == "aggregate"]
    assert [one.round for one in report.failures if one.client is None] == [1, 2]


def test_flower_s_own_masks_are_bound_to_nothing(tmp_path: Path) -> None:
    found = read(run(tmp_path, [{"use": "secure-aggregation-flower"}], {"victim": 1}))
    assert found["round-0001/aggregate"].victim == 1


HIDING: dict[str, list[Table]] = {
    "clear": [],
    "masked": UNBOUND,
    "flower": [{"use": "secure-aggregation-flower", "clipping_range": 1.0}],
    "ciphertexts": [{"use": "homomorphic-aggregation"}],
}


@pytest.mark.parametrize("victims", [None, 1], ids=["all recorded", "one recorded"])
@pytest.mark.parametrize("chain", HIDING.values(), ids=HIDING)
def test_what_was_recorded_follows_from_what_each_client_was_sent(
    tmp_path: Path, chain: list[Table], victims: int | None
) -> None:
    adversary = {} if victims is None else {"victims": victims}
    federation = {"clients": 4, "rounds": 2, "batch_size": 64}
    report = run(tmp_path, chain, {"victim": 2}, adversary=adversary, federation=federation)
    assert not report.failures
    checks = verify(tmp_path)
    assert {check.verdict for check in checks} <= {"agrees", "masked", "released"}
    assert sum(check.verdict == "agrees" for check in checks) >= 2


def test_a_mean_of_ciphertexts_moves_with_what_all_were_sent(tmp_path: Path) -> None:
    run(tmp_path, [{"use": "homomorphic-aggregation"}], {}, federation={"clients": 4, "rounds": 2, "batch_size": 64})
    assert {check.verdict for check in verify(tmp_path)} <= {"agrees", "masked", "released"}


FLOWERS: list[Table] = [{"use": "secure-aggregation-flower"}]
UNEQUAL = {
    "clients": 3, "batches": "all", "batch_size": 8, "partitioner": "DirichletPartitioner",
    "partitioner_options": {"alpha": 0.5, "partition_by": "label", "min_partition_size": 3},
}  # fmt: skip


@pytest.mark.parametrize("chain", [FLOWERS, UNBOUND], ids=["flower", "masked"])
def test_of_unequal_clients_the_victims_count_is_recorded_where_it_is_told(tmp_path: Path, chain: list[Table]) -> None:
    report = run(tmp_path, chain, {"victim": 1}, federation={**UNEQUAL, "rounds": 1})
    assert not report.failures
    total = read(report)["round-0001/aggregate"]
    assert total.isolation is not None
    sizes = [len(withdraw(tmp_path / "vault/none", 1, client).examples) for client in range(3)]
    assert total.num_examples == sum(sizes)
    assert len(set(sizes)) > 1
    assert total.isolation.examples == (sizes[1] if chain is FLOWERS else None)

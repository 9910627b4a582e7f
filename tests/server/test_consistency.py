"""Clients that compare their models before they train: an honest round is as ever, one of several models is lost."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from torch import Generator

from fedleak.contracts.manipulation import Crafting, Manipulation, manipulations
from fedleak.federation.engine import run_federation
from fedleak.federation.outcome import FederationReport
from fedleak.federation.plan import FederationPlan
from fedleak.learning.weights import Weights
from fedleak.recording.files import read_recording
from fedleak.settings.base import Table, parse_settings
from fedleak.vault.alarms import raised_alarms

CONSISTENT: Table = {"use": "model-consistency"}


@manipulations.register("one-of-its-own")
@dataclass(frozen=True, kw_only=True)
class OneOfItsOwn(Manipulation):
    """Sends the first client another model than the rest, or all of them that."""

    deed: ClassVar[str] = "sends another model"
    takes: ClassVar[str] = "nothing"
    alike: bool = False

    @property
    def sends_alike(self) -> bool:  # type: ignore[override]
        return self.alike

    def craft(self, at: Crafting, rng: Generator) -> Weights:
        if at.client and not self.alike:
            return at.weights
        return at.weights.like({name: value * 2 for name, value in at.weights.state_dict().items()})


def run(folder: Path, *chain: Table, server: Table | None = None, **more: Any) -> FederationReport:
    tree = {
        "task": "digits-mlp",
        "recordings": str(folder / "recordings"),
        "vault": str(folder / "vault"),
        "federation": {"clients": 3, "rounds": 2, "batch_size": 2, **more},
        "chain": list(chain),
        "server": {"name": "server", "chain": [server]} if server else {},
    }
    return run_federation(parse_settings(FederationPlan, tree))


def test_an_honest_round_is_as_it_is_without(tmp_path: Path) -> None:
    compared, plain = run(tmp_path / "compared", CONSISTENT), run(tmp_path / "plain")
    assert compared.failures == []
    assert raised_alarms(tmp_path / "compared" / "vault") == []
    assert len(compared.recordings) == len(plain.recordings)
    for one, other in zip(compared.recordings, plain.recordings, strict=True):
        ours, theirs = read_recording(one), read_recording(other)
        assert all(value.equal(theirs.state[name]) for name, value in ours.state.items())
    received = compared.costs[1].bytes_received
    assert received > 2 * plain.costs[1].bytes_received, "the model comes twice"


def test_rounds_of_two_models_are_lost(tmp_path: Path) -> None:
    report = run(tmp_path, CONSISTENT, server={"use": "one-of-its-own"})
    assert {(one.client, one.round) for one in report.failures} == {(c, r) for c in range(3) for r in (1, 2)}
    assert all(one.planned and one.reason.startswith("ModelRefused: ") for one in report.failures)
    assert not [path for path in report.recordings if path.stem.startswith("client-")]
    assert {(one.client, one.refused) for one in raised_alarms(tmp_path / "vault")} == {(0, True), (1, True), (2, True)}


def test_who_only_reports_trains_on_it(tmp_path: Path) -> None:
    report = run(tmp_path, {**CONSISTENT, "on_alarm": "report"}, server={"use": "one-of-its-own"})
    assert report.failures == []
    found = {(one.client, one.sentence.partition(" (")[2]) for one in raised_alarms(tmp_path / "vault")}
    assert found == {
        (0, "differing 2, threshold 0)"),
        (1, "differing 1, threshold 0)"),
        (2, "differing 1, threshold 0)"),
    }


def test_one_crafted_model_for_all_passes(tmp_path: Path) -> None:
    assert run(tmp_path, CONSISTENT, server={"use": "one-of-its-own", "alike": True}).failures == []


@pytest.mark.parametrize("binds", [True, False])
def test_under_masks_a_round_of_two_models_is_refused_and_lost(binds: bool, tmp_path: Path) -> None:
    summed = {"use": "secure-aggregation", "keys": "seeded", "binds_model": binds}
    honest = run(tmp_path / "honest", CONSISTENT, summed)
    assert honest.failures == []
    report = run(tmp_path / "two", CONSISTENT, summed, server={"use": "one-of-its-own"})
    assert {one.round for one in report.failures if one.client is None} == {1, 2}
    assert all(one.planned for one in report.failures)
    assert {(one.client, one.round) for one in report.failures if one.reason.startswith("ModelRefused: ")} == {
        (client, round) for client in range(3) for round in (1, 2)
    }
    assert {one.client for one in raised_alarms(tmp_path / "two" / "vault")} == {0, 1, 2}


def test_clients_that_leave_a_sum_are_no_inconsistency(tmp_path: Path) -> None:
    summed = {"use": "secure-aggregation", "keys": "seeded"}
    gone = [{"client": 1, "round": 1, "stage": "share"}]
    report = run(tmp_path, CONSISTENT, summed, clients=5, dropouts=gone)
    assert [(one.client, one.round) for one in report.failures] == [(1, 1)]
    assert raised_alarms(tmp_path / "vault") == []
    assert len([path for path in report.recordings if path.stem == "aggregate"]) == 2


def test_bound_masks_alone_lose_the_round_where_the_exchange_only_reports(tmp_path: Path) -> None:
    summed = {"use": "secure-aggregation", "keys": "seeded"}
    reporting = {**CONSISTENT, "on_alarm": "report"}
    report = run(tmp_path, reporting, summed, server={"use": "one-of-its-own"})
    assert {one.round for one in report.failures if one.client is None} == {1, 2}
    assert {one.client for one in raised_alarms(tmp_path / "vault")} == {0, 1, 2}


def test_a_client_that_is_not_in_the_round_is_not_waited_for(tmp_path: Path) -> None:
    report = run(tmp_path, CONSISTENT, strategy_options={"fraction_train": 0.7})
    assert report.failures == []
    assert {path.parent.name for path in report.recordings} >= {"round-0001", "round-0002"}


def test_a_planned_dropout_is_no_inconsistency(tmp_path: Path) -> None:
    report = run(tmp_path, CONSISTENT, dropouts=[{"client": 1, "round": 1}])
    assert [(one.client, one.round) for one in report.failures] == [(1, 1)]
    assert report.failures[0].reason.startswith("Dropout: ")

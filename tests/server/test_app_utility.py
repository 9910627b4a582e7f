"""Rounds after the recorded ones: they change nothing of what was recorded, and are the same training going on."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fedleak.clients import client as client_module
from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.federation.engine import run_federation
from fedleak.federation.outcome import COSTS, EVALUATION, SETTLED, FederationReport
from fedleak.federation.plan import FederationPlan
from fedleak.federation.reply import reply
from fedleak.recording.files import find_recordings
from fedleak.settings.base import parse_settings
from fedleak.settings.federation import UtilitySettings
from fedleak.vault.batches import deposited

Run = Callable[..., FederationReport]
FEDERATION = {"clients": 3, "rounds": 1, "batch_size": 4, "strategy_options": {"fraction_train": 0.7}}
MASKED = [{"use": "secure-aggregation", "keys": "seeded"}]


def run_in(folder: Path, **changes: Any) -> FederationReport:
    places = {"task": "digits-mlp", "recordings": str(folder / "recordings"), "vault": str(folder / "truth")}
    return run_federation(parse_settings(FederationPlan, {**places, "federation": FEDERATION, **changes}))


def recorded(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in (COSTS, EVALUATION))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.parametrize("chain", [[], [{"use": "top-k", "fraction": 0.1}], MASKED])
def test_they_leave_recordings_and_truth_as_they_are(tmp_path: Path, chain: list[dict[str, Any]]) -> None:
    run_in(tmp_path / "without", chain=chain)
    run_in(tmp_path / "with", chain=chain, utility={"rounds": 2, "batch_size": 8, "batches": "all"})
    assert recorded(tmp_path / "with") == recorded(tmp_path / "without")


@pytest.mark.slow
@pytest.mark.parametrize("chain", [[], [{"use": "gaussian-noise", "std": 1e-3}], MASKED])
@pytest.mark.parametrize("strategy", ["FedAvg", "FedAdam"])
def test_they_end_where_recorded_rounds_of_the_same_training_would(
    tmp_path: Path, chain: list[dict[str, Any]], strategy: str
) -> None:
    training = {"batches": 3, "momentum": 0.5, "learning_rate": 0.05}
    common = {**FEDERATION, "strategy": strategy, **training}
    later = run_in(tmp_path / "a", chain=chain, federation=common, utility={"rounds": 3})
    sooner = run_in(tmp_path / "b", chain=chain, federation={**common, "rounds": 3}, utility={"rounds": 1})
    assert sorted(later.evaluation) == [1, 2, 3, 4]
    assert later.evaluation == sooner.evaluation


def test_where_clients_evaluate_anyway_it_is_the_same(tmp_path: Path) -> None:
    federation = {"clients": 2, "rounds": 3, "fraction_evaluate": 1.0}
    (_, *later) = run_in(
        tmp_path / "a", federation={**federation, "rounds": 1}, utility={"rounds": 2}
    ).evaluation.items()
    (_, *ours) = run_in(tmp_path / "b", federation=federation).evaluation.items()
    assert later == ours


def test_nothing_of_them_is_recorded_or_deposited(tmp_path: Path) -> None:
    report = run_in(tmp_path, utility={"rounds": 3}, federation={"clients": 2})
    assert len(report.recordings) == len(find_recordings(tmp_path / "recordings")) == 2
    assert deposited(tmp_path / "truth") == [(1, 0), (1, 1)]
    assert (sorted(report.evaluation), sorted(report.costs)) == ([1, 2, 3, 4], [1])


def test_they_end_where_the_accuracy_no_longer_rises(tmp_path: Path) -> None:
    utility = {"rounds": 40, "every": 2, "patience": 2, "learning_rate": 1e-9}
    report = run_in(tmp_path, federation={"clients": 2, "rounds": 2}, utility=utility)
    assert list(report.evaluation) == [1, 2, 4]
    assert [found.get(SETTLED) for found in report.evaluation.values()] == [None, None, 2.0]


def test_a_trivial_classifier_names_the_commonest_class(tmp_path: Path) -> None:
    splits = load("digits-mlp")
    (found,) = run_in(tmp_path, federation={"clients": 2, "fraction_evaluate": 1.0}).evaluation.values()
    commonest = splits.clients.labels.bincount().argmax()
    assert found["trivial"] == pytest.approx(float((splits.test.labels == commonest).double().mean()))


@pytest.mark.slow
@pytest.mark.parametrize("chain", [[], MASKED])
def test_of_some_victims_messages_are_recorded_and_of_all_clients_the_truth(
    tmp_path: Path, chain: list[dict[str, Any]]
) -> None:
    run_in(tmp_path / "one", chain=chain, federation={"clients": 3}, adversary={"victims": 1})
    run_in(tmp_path / "all", chain=chain, federation={"clients": 3})
    senders = ["client-0000.json", *(["aggregate.json"] if chain else [])]
    assert [path.name for path in find_recordings(tmp_path / "one" / "recordings")] == senders
    assert deposited(tmp_path / "one" / "truth") == [(1, 0), (1, 1), (1, 2)]
    if not chain:  # masks are bound to the whole plan
        one, every = recorded(tmp_path / "one" / "recordings"), recorded(tmp_path / "all" / "recordings")
        assert one.items() < every.items()


def test_they_train_as_they_are_told_and_the_recorded_round_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def watching(*arguments: Any) -> Any:
        seen.append((arguments[3].batch_size, arguments[3].batches, arguments[3].learning_rate, len(arguments[2])))
        return reply(*arguments)

    monkeypatch.setattr(client_module, "reply", watching)
    run_in(
        tmp_path,
        federation={"clients": 1, "batch_size": 2},
        utility={"rounds": 1, "batch_size": 8, "batches": 3, "learning_rate": 0.5},
    )
    assert seen == [(2, 1, 0.1, 2), (8, 3, 0.5, 24)]


@pytest.mark.slow
def test_what_a_defense_keeps_goes_on_through_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BatchNorm statistics that never leave a client are those of all its rounds."""
    kept = []

    def watching(*arguments: Any) -> Any:
        sent = reply(*arguments)
        kept.append((arguments[6], sent.kept))
        return sent

    monkeypatch.setattr(client_module, "reply", watching)
    run_in(
        tmp_path,
        task="digits-resnet18",
        federation={"clients": 1, "batch_size": 2},
        chain=[{"use": "withhold-batch-norm"}],
        utility={"rounds": 2},
    )
    assert not kept[0][0]
    for (_, left), (found, _) in itertools.pairwise(kept):
        assert left.keys() == found.keys() != set()
        assert all(torch.equal(left[name], found[name]) for name in left)


def test_a_model_that_breaks_down_in_them_costs_no_recording(tmp_path: Path) -> None:
    report = run_in(tmp_path, federation={"clients": 2}, utility={"rounds": 4, "learning_rate": 1e30})
    assert len(report.recordings) == 2
    assert {failure.round for failure in report.failures} == {3}
    assert all(failure.user_error for failure in report.failures)
    assert 1 in report.evaluation
    assert 4 not in report.evaluation


def test_a_share_that_is_too_small_for_them_is_said_to_be_so(tmp_path: Path) -> None:
    report = run_in(tmp_path, federation={"clients": 2}, utility={"rounds": 1, "batch_size": 5000})
    assert "utility: client 0 has" in report.failures[0].reason


def test_without_any_the_model_is_not_evaluated(tmp_path: Path) -> None:
    assert run_in(tmp_path).evaluation == {}


def test_steps_without_end_are_refused() -> None:
    tree = {"task": "digits-mlp", "recordings": "a", "vault": "b", "utility": {"rounds": 1, "epochs": 100_000_000}}
    with pytest.raises(ConfigError, match=r"utility: expected batches x epochs of at most .*, got .* in place of"):
        parse_settings(FederationPlan, tree)


def test_what_is_not_given_is_as_in_the_recorded_rounds() -> None:
    plan = FederationPlan(task="digits-mlp", recordings="a", vault="b", utility=UtilitySettings(rounds=1, epochs=3))
    assert plan.training(2) == plan.training(1).model_copy(update={"epochs": 3})

"""Flower's strategies by name: those that work do, the others are refused before anything runs."""

from pathlib import Path
from typing import Any

import pytest

from fedleak.errors import ConfigError
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.server.strategies import ONLY_THE_MEAN, build_strategy
from fedleak.settings.base import parse_settings

OPTIONS: dict[str, dict[str, Any]] = {
    "FedAvg": {},
    "FedAvgM": {"server_momentum": 0.9},
    "FedAdagrad": {},
    "FedAdam": {"eta": 0.01},
    "FedYogi": {},
    "FedMedian": {},
    "FedTrimmedAvg": {"beta": 0.25},
    "Krum": {"num_malicious_nodes": 0},
    "MultiKrum": {"num_nodes_to_select": 2},
    "Bulyan": {},
    "QFedAvg": {"client_learning_rate": 0.1},
    "DifferentialPrivacyServerSideFixedClipping": {
        "noise_multiplier": 0.1,
        "clipping_norm": 1.0,
        "num_sampled_clients": 4,
    },
    "DifferentialPrivacyServerSideAdaptiveClipping": {
        "noise_multiplier": 0.1,
        "num_sampled_clients": 4,
        "strategy": {"use": "FedAvgM", "server_momentum": 0.5},
    },
}


def plan_for(folder: Path, name: str, options: dict[str, Any], **changes: Any) -> FederationPlan:
    federation = {"strategy": name, "strategy_options": options, "rounds": 2, **changes.pop("federation", {})}
    tree = {"task": "digits-mlp", "recordings": str(folder / "r"), "vault": str(folder / "t")}
    return parse_settings(FederationPlan, {**tree, "federation": federation, **changes})


SLOW = ("Bulyan", "QFedAvg")
"""They take seconds to aggregate."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [pytest.param(*item, marks=[pytest.mark.slow] * (item[0] in SLOW)) for item in OPTIONS.items()],
    ids=OPTIONS,
)
def test_it_runs(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    report = run_federation(plan_for(tmp_path, name, options))
    assert len(report.recordings) == 8
    assert not report.failures


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ONLY_THE_MEAN))
def test_those_that_need_only_the_mean_run_under_secure_aggregation(tmp_path: Path, name: str) -> None:
    report = run_federation(plan_for(tmp_path, name, {}, chain=[{"use": "secure-aggregation"}]))
    assert len(report.recordings) == 10


@pytest.mark.parametrize("name", sorted(OPTIONS.keys() - ONLY_THE_MEAN))
def test_those_that_need_single_replies_are_refused_under_secure_aggregation(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} needs each client's reply"):
        build_strategy(plan_for(tmp_path, name, OPTIONS[name], chain=[{"use": "secure-aggregation"}]))


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("FedAvgg", {}, "federation.strategy: Flower has no strategy 'FedAvgg'; did you mean 'FedAvg"),
        ("FedXgbCyclic", {}, "federation.strategy: FedXgbCyclic aggregates trees, and the clients train networks"),
        (
            "FedProx",
            {},
            "federation.strategy: FedProx sends a proximal_mu that clients do not read; set federation.proximal",
        ),
        (
            "FedAvgM",
            {"server_momentm": 1.0},
            "federation.strategy_options.server_momentm: unknown option of FedAvgM; did you mean 'server_momentum'?",
        ),
        (
            "FedAvgM",
            {"server_momentum": "much"},
            "federation.strategy_options.server_momentum: expected a valid number, got 'much'",
        ),
        ("QFedAvg", {}, "federation.strategy_options: QFedAvg needs client_learning_rate"),
        (
            "FedAvg",
            {"min_train_nodes": 5},
            "federation.strategy_options.min_train_nodes: expected at most federation.clients = 4, got 5",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    tmp_path: Path, name: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        run_federation(plan_for(tmp_path, name, options))
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("clients", [1, 3])
def test_no_federation_waits_for_clients_that_never_come(tmp_path: Path, clients: int) -> None:
    plan = plan_for(tmp_path, "FedAvg", {}, federation={"clients": clients, "fraction_evaluate": 0.1})
    report = run_federation(plan)
    assert len(report.recordings) == 2 * clients
    assert set(report.evaluation[2]) == {"loss", "accuracy", "trivial"}


def test_a_strategy_that_goes_by_losses_is_refused_where_they_are_a_secret(tmp_path: Path) -> None:
    options = {"client_learning_rate": 0.1}
    wrapped = {"noise_multiplier": 0.1, "clipping_norm": 1.0, "num_sampled_clients": 4}
    fixed = "DifferentialPrivacyServerSideFixedClipping"
    private = [{"use": "local-dp", "epsilon": 1.0, "delta": 1e-5, "max_norm": 1.0}]
    for name, table in [("QFedAvg", options), (fixed, {**wrapped, "strategy": {"use": "QFedAvg", **options}})]:
        build_strategy(plan_for(tmp_path, name, table))
        with pytest.raises(ConfigError, match="weighs clients by their losses, which they do not report"):
            build_strategy(plan_for(tmp_path, name, table, chain=private))

"""A plan survives Flower's flat run config, and what does not belong in one is refused."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from flwr.common.config import flatten_dict, fuse_dicts, parse_config_args
from hypothesis import given
from hypothesis import strategies as st

from fedleak.errors import ConfigError
from fedleak.federation.plan import FederationPlan, RunConfig
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import parse_settings
from fedleak.settings.dropouts import STAGES, Leaving
from fedleak.settings.federation import FederationSettings, UtilitySettings
from fedleak.settings.model import ModelSettings

PYPROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"


def declared() -> RunConfig:
    return flatten_dict(tomllib.loads(PYPROJECT.read_text())["tool"]["flwr"]["app"]["config"])


def test_a_plan_round_trips_through_the_run_config() -> None:
    plan = FederationPlan(
        task="digits-mlp",
        seed=3,
        recordings="a",
        vault="b",
        chain=({"use": "clipping", "max_norm": 0.5}, {"use": "secure-aggregation"}),
        federation=FederationSettings(
            batches="all", strategy_options={"server_momentum": 0.5}, learning_rate=1e-3, rounds=3, release=(1, 3)
        ),
        adversary=AdversarySettings(lacks=(0, 1), queries=100, patience=30.0),
        records=("model",),
        model=ModelSettings(checkpoint="weights.pt"),
        utility=UtilitySettings(rounds=3, batches="all", learning_rate=0.5),
    )
    config = plan.to_run_config()
    assert all(isinstance(value, bool | int | float | str) for value in config.values())
    assert FederationPlan.from_run_config(config) == plan


def test_every_field_may_be_overridden_in_flwr_run() -> None:
    utility = UtilitySettings(batch_size=1, batches=1, epochs=1, learning_rate=0.1, momentum=0.0)
    adversary = AdversarySettings(victims=1, queries=1, patience=1.0)
    model = ModelSettings(checkpoint="c", trained_rounds=1, trained_examples=1)
    federation = FederationSettings(release="last", examples=1)
    where = {"recordings": "a", "vault": "b"}
    plan = FederationPlan(task="t", **where, model=model, federation=federation, adversary=adversary, utility=utility)
    cut = plan.model_copy(update={"federation": federation.model_copy(update={"cut": 1})})  # never beside a release
    assert declared().keys() == cut.to_run_config().keys()


def test_a_federation_without_a_cap_has_the_session_that_it_had_before_there_were_any() -> None:
    """Masks are drawn from it, and with them the last bits of every figure of a sum."""
    plain = FederationPlan(task="digits-mlp", recordings="a", vault="b")
    capped = plain.model_copy(update={"federation": FederationSettings(examples=60)})
    assert plain.session_name(1).hex() == "5ec8de8cf148006a3f06762514867e2e8e78774b45e1c26ea12445eaa13794e1"
    assert capped.session_name(1) != plain.session_name(1)
    halved = plain.model_copy(update={"model": ModelSettings(trained_rounds=1, trained_examples=5)})
    whole = plain.model_copy(update={"model": ModelSettings(trained_rounds=1)})
    assert halved.session_name(1) != whole.session_name(1)


def test_the_declared_defaults_are_the_plan_s_own() -> None:
    ours = FederationPlan.from_run_config(declared())
    plain = FederationPlan(
        task="digits-mlp",
        recordings="runs/flower/recordings/none",
        vault="runs/flower/vault/none",
        federation=FederationSettings(clients=2),
    )
    assert ours == plain


def test_overrides_as_a_user_writes_them() -> None:
    text = """task="photos-convnet" federation.rounds=3 federation.batches="all" chain='[{"use": "top-k"}]'"""
    plan = FederationPlan.from_run_config(fuse_dicts(declared(), parse_config_args([text])))
    assert (plan.task.label, plan.federation.rounds, plan.federation.batches) == ("photos-convnet", 3, "all")
    assert plan.chain == ({"use": "top-k"},)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"federation.round": 2}, "federation.round: unknown field; did you mean 'rounds'?"),
        ({"federation.rounds": "two"}, "federation.rounds: expected a valid integer, got 'two'"),
        ({"chain": "[{"}, "chain: expected a list or table as JSON"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(change: RunConfig, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        FederationPlan.from_run_config({**declared(), **change})
    assert str(caught.value).startswith(sentence)


def test_absolute_paths_do_not_depend_on_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tree = {"task": "t", "recordings": "r", "vault": "v", "model": {"checkpoint": "w.pt"}}
    plan = parse_settings(FederationPlan, tree).absolute()
    assert [plan.recordings, plan.vault, plan.model.checkpoint] == [str(tmp_path / name) for name in ("r", "v", "w.pt")]


def test_the_model_is_tested_after_recorded_rounds_every_so_many_later_ones_and_the_last() -> None:
    utility = UtilitySettings(rounds=7, every=3)
    plan = FederationPlan(task="t", recordings="a", vault="b", federation=FederationSettings(rounds=2), utility=utility)
    assert [round for round in range(10) if plan.evaluated(round)] == [1, 2, 5, 8, 9]


def test_true_is_no_number_also_where_a_plan_with_one_was_read_before() -> None:
    config = FederationPlan(task="digits-mlp", recordings="a", vault="b").to_run_config()
    for key in ("federation.dropouts", "federation.clients"):
        FederationPlan.from_run_config({**config, key: 1})
        with pytest.raises(ConfigError, match="got True"):
            FederationPlan.from_run_config({**config, key: True})


def leaving(dropouts: Any, seed: int, clients: int, round: int) -> Mapping[int, str]:
    settings = FederationSettings(clients=clients, rounds=99, dropouts=0.0).model_copy(update={"dropouts": dropouts})
    plan = FederationPlan(task="digits-mlp", seed=seed, recordings="a", vault="b")
    return plan.model_copy(update={"federation": settings}).leaving(round)


@given(st.integers(1, 60), st.floats(0, 1), st.integers(0, 5), st.integers(1, 9))
def test_a_share_of_dropouts_is_so_many_of_all_clients_the_same_for_a_seed(
    clients: int, share: float, seed: int, round: int
) -> None:
    found = leaving(share, seed, clients, round)
    assert abs(len(found) - share * clients) <= 0.5
    assert found == leaving(share, seed, clients, round)
    assert all(0 <= client < clients and stage in STAGES for client, stage in found.items())


def test_every_round_others_leave_and_all_stages_come() -> None:
    rounds = [leaving(0.3, 0, 20, round) for round in range(1, 30)]
    assert len({tuple(one) for one in rounds}) > 20
    assert {stage for one in rounds for stage in one.values()} == set(STAGES)


def test_those_that_are_named_leave_in_their_rounds_at_the_first_of_their_stages() -> None:
    named = (
        Leaving(client=1),
        Leaving(client=2, round=2, stage="confirm"),
        Leaving(client=1, round=3, stage="share"),
    )
    assert [leaving(named, 0, 4, round) for round in (1, 2, 3)] == [
        {1: "masked"},
        {1: "masked", 2: "confirm"},
        {1: "share"},
    ]

"""What a client answers, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest
import torch
from flwr.app import ConfigRecord, Message, RecordDict

from fedleak.clients.app import app
from fedleak.clients.share import examples_of, share_of
from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.federation import wire
from fedleak.federation.loopback import LoopbackGrid
from fedleak.federation.plan import FederationPlan
from fedleak.io.fingerprint import source_fingerprint
from fedleak.settings.base import parse_settings
from fedleak.tasks import initial_weights
from fedleak.vault.batches import withdraw


def plan_in(folder: Path, **changes: Any) -> FederationPlan:
    tree = {"task": "digits-mlp", "recordings": str(folder / "r"), "vault": str(folder / "t"), **changes}
    return parse_settings(FederationPlan, tree)


def asked(plan: FederationPlan, kind: str, client: int = 0, **config: Any) -> Message:
    grid = LoopbackGrid(app, plan.federation.clients, plan.to_run_config(), lambda question, reply: None)
    record = ConfigRecord({wire.ROUND: 1, wire.FINGERPRINT: source_fingerprint(), **config})
    weights = wire.to_arrays(initial_weights(plan.task, 0).state_dict())
    [reply] = grid.send_and_receive([Message(RecordDict({"config": record, "arrays": weights}), client + 1, kind)])
    return reply


def test_it_says_which_partition_it_is(tmp_path: Path) -> None:
    reply = asked(plan_in(tmp_path), "query", 2)
    assert wire.PARTITION in reply.content.config_records["config"]
    assert reply.content.config_records["config"][wire.PARTITION] == 2


def test_it_replies_as_flower_s_stock_client_does_and_keeps_the_truth(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, federation={"batch_size": 3})
    content = asked(plan, "train", 1).content
    assert set(wire.metrics_of(content)) == {"num-examples", "train_loss"}
    assert list(wire.arrays_of(content)) == list(initial_weights(plan.task, 0).state_dict())
    truth = withdraw(tmp_path / "t", 1, 1)
    assert len(truth.examples) == wire.metrics_of(content)["num-examples"] == 3
    assert truth.held == tuple(share_of(plan, 1).labels.bincount(minlength=10).tolist())


def test_its_loss_is_a_secret_where_defenses_prove_something(tmp_path: Path) -> None:
    private = {"use": "local-dp", "epsilon": 1.0, "delta": 1e-5, "max_norm": 1.0}
    for chain, told in [([private], False), ([{"use": "dp-sgd"}], False), ([{"use": "clipping", "max_norm": 1}], True)]:
        content = asked(plan_in(tmp_path, chain=chain), "train").content
        assert set(wire.metrics_of(content)) == {"num-examples"} | ({"train_loss"} if told else set())


def test_training_before_the_recorded_rounds_leaves_no_trace(tmp_path: Path) -> None:
    content = asked(plan_in(tmp_path, model={"trained_rounds": 1}), "train", **{wire.PRETRAINING: True}).content
    assert wire.metrics_of(content)["num-examples"] == len(share_of(plan_in(tmp_path), 0))
    assert not (tmp_path / "t").exists()


def test_it_evaluates_on_the_test_split(tmp_path: Path) -> None:
    metrics = wire.metrics_of(asked(plan_in(tmp_path), "evaluate").content)
    assert metrics["num-examples"] == len(load("digits-mlp").test)
    assert 0 <= metrics["accuracy"] <= 1


def test_it_refuses_a_server_that_runs_other_sources(tmp_path: Path) -> None:
    for kind in ("query", "train", "evaluate", wire.MESSAGE_TYPES["share"]):
        reply = asked(plan_in(tmp_path), kind, **{wire.FINGERPRINT: "other"})
        assert reply.has_error()
        assert str(reply.error.reason).startswith("FederationError: the server runs fedleak sources other")


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"federation": {"batch_size": 1}},
        {"federation": {"batch_size": 2}, "utility": {"rounds": 1, "batch_size": 1}},
        {"federation": {"batch_size": 2}, "model": {"trained_rounds": 1, "trained_batch_size": 1}},
    ],
)
def test_it_refuses_before_the_first_round_what_batch_norm_will_not_bear_in_a_later_one(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    plan = plan_in(tmp_path, task="digits-resnet18", **changes)
    reason = str(asked(plan, "query").error.reason)
    assert reason.startswith("ConfigError: 'digits-resnet18' has a BatchNorm layer")
    assert "batch_size = 1 makes one of" in reason


@pytest.mark.parametrize("defense", ["mixup", "instahide"])
@pytest.mark.parametrize("clients", [539, 1079])
def test_it_refuses_to_mix_the_only_example_that_it_has(defense: str, clients: int, tmp_path: Path) -> None:
    """In rounds of a whole share, of one example or of two."""
    federation = {"clients": clients, "batches": "all", "batch_size": 1}
    plan = plan_in(tmp_path, chain=[{"use": defense}], federation=federation)
    reply = asked(plan, "query", 0)
    shares = len(share_of(plan, 0))
    assert reply.has_error() is (shares == 1)
    if shares == 1:
        assert f"'{defense}' mixes the examples of a client with each other, and one has 1;" in reply.error.reason


def test_it_refuses_before_the_first_round_a_share_that_a_proof_does_not_allow(tmp_path: Path) -> None:
    reply = asked(plan_in(tmp_path, chain=[{"use": "dp-sgd", "share": 1000}]), "query")
    assert "counts on share = 1000 examples or more" in reply.error.reason


def test_it_leaves_where_the_experiment_asks_for_it_and_trains_before_the_recorded_rounds(tmp_path: Path) -> None:
    leaves = {"dropouts": [{"client": 1, "round": 1}]}
    plan = plan_in(tmp_path, federation=leaves, model={"trained_rounds": 1})
    reason = str(asked(plan, "train", 1).error.reason)
    assert reason == "Dropout: client 1 left round 1 before 'masked', as the experiment asks"
    assert not asked(plan, "train", 0).has_error()
    assert not asked(plan, "train", 1, **{wire.PRETRAINING: True}).has_error()
    assert not asked(plan, "query", 1).has_error()


def test_every_round_draws_other_examples_from_the_client_s_own_share(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, federation={"batch_size": 4, "batches": 2})
    one, training = examples_of(plan, 1, 1)
    two, _ = examples_of(plan, 1, 2)
    again, _ = examples_of(plan, 1, 1)
    share = {image.numpy().tobytes() for image in share_of(plan, 1).inputs}
    assert len(one) == 8
    assert training.steps == 2
    assert torch.equal(one.inputs, again.inputs)
    assert not torch.equal(one.inputs, two.inputs)
    assert {image.numpy().tobytes() for image in one.inputs} <= share


def test_a_client_beyond_the_plan_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"federation\.clients = 4, so there is no client 4"):
        share_of(plan_in(tmp_path), 4)

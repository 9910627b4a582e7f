"""Split training over Flower: it is the joint network's SGD, and each holder's diary has what it saw and no more."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from fedleak.clients.active.party import ActiveParty
from fedleak.clients.party import Held, Place
from fedleak.clients.passive.party import PassiveParty
from fedleak.contracts.chain import Chain
from fedleak.data.splits import load
from fedleak.errors import ConfigError, FederationError, NonFiniteError
from fedleak.experiment.grid import parse_campaign
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.learning.facts import LocalTraining
from fedleak.learning.training import batch_order, train_locally
from fedleak.randomness import generator
from fedleak.recording.diary import RELAY, read_columns, read_diary, stem_of
from fedleak.settings.base import Table, parse_settings
from fedleak.settings.columns import NO_STRATEGY
from fedleak.tasks import hardened, initial_weights

pytestmark = pytest.mark.slow  # federations, each of them


def plan_in(folder: Path, task: str | Table = "digits-mlp", **federation) -> FederationPlan:
    settings = {"partition": "columns", "clients": 2, "rounds": 2, "batch_size": 8, "batches": 4, "momentum": 0.9}
    tree = {"task": task, "recordings": str(folder / "seen"), "vault": str(folder / "vault"), "utility": {"rounds": 1}}
    return parse_settings(FederationPlan, {**tree, "federation": {**settings, **federation}})


def normalized(shape, classes):
    width = math.prod(shape)
    return nn.Sequential(nn.Flatten(), nn.Linear(width, 8), nn.BatchNorm1d(8), nn.Linear(8, classes))


def diary(plan: FederationPlan, who, round: int = 1):
    return read_diary(Path(plan.recordings) / stem_of(who, round))


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    plan = plan_in(tmp_path_factory.mktemp("split"), clients=3)
    return plan, run_federation(plan)


@pytest.mark.parametrize(
    ("parties", "task", "cut"), [(2, "diabetes-mlp", 2), (3, "digits-mlp", 3), (4, "digits-bn-convnet", 3)]
)
def test_over_flower_it_is_the_sgd_of_the_joint_network(tmp_path, parties, task, cut):
    plan = plan_in(tmp_path, task, clients=parties, cut=cut)
    run_federation(plan)
    joint = hardened(task, Chain(), plan.federation.split)
    rows = torch.cat([line.question["rows"] for line in diary(plan, 0).lines])
    training = LocalTraining(batch_size=8, batches=4, learning_rate=0.1, momentum=0.9)
    clients = load(plan.source).clients
    weights = initial_weights(task, plan.seed, split=plan.federation.split)
    order = torch.cat([chosen for (chosen,) in _order(plan, 32, training)])
    chosen = torch.empty_like(rows).scatter_(0, order, rows)
    trained = train_locally(joint, weights, clients[chosen], training, (plan.seed, "rows", 1)).state_dict()
    held = [diary(plan, party, 2).weights for party in range(parties)]
    assert sorted(trained) == sorted(name for own in held for name in own)
    for own in held:
        for name, value in own.items():
            torch.testing.assert_close(value, trained[name], rtol=0, atol=1e-6)


def _order(plan, examples, training):
    return batch_order(examples, training, generator(plan.seed, "rows", 1, "order"))


def test_the_relay_passes_on_what_parties_wrote_down_bit_for_bit(ran):
    plan, _ = ran
    relayed = diary(plan, RELAY).lines
    for party in range(3):
        own = diary(plan, party).lines
        assert [line.to_bytes() for line in own] == [line.to_bytes() for line in relayed if line.party == party]
        assert {line.asked for line in own} == ({"top"} if party == 0 else {"forward", "backward"})
        assert len({line.step for line in own}) == 4


def test_nobody_holds_what_another_does(ran):
    plan, _ = ran
    assert not diary(plan, RELAY).weights
    clients, folder = load(plan.source).clients, Path(plan.recordings)
    columns = [read_columns(folder, party) for party in range(3)]
    assert torch.equal(torch.cat([own["inputs"] for own in columns], dim=-1), clients.inputs)
    assert ["labels" in own for own in columns] == [True, False, False]
    for party in range(3):
        names = diary(plan, party).weights
        assert all(
            name.startswith((f"bottoms.{party}.", "top.") if party == 0 else f"bottoms.{party}.") for name in names
        )


def test_it_is_tested_and_metered(ran):
    plan, report = ran
    assert sorted(report.evaluation) == [1, 2, 3]
    assert all(0 <= found["accuracy"] <= 1 for found in report.evaluation.values())
    assert sorted(report.costs) == [1, 2]
    assert all(cost.bytes_sent > 0 and cost.client_seconds > 0 for cost in report.costs.values())
    assert not list((Path(plan.recordings) / "round-0003").glob("*")), "nobody writes down what is for utility alone"


def test_a_party_that_leaves_ends_the_round_and_the_next_one_begins(tmp_path):
    plan = plan_in(tmp_path, rounds=3, dropouts=[{"client": 1, "round": 2}])
    report = run_federation(plan)
    assert {one.round for one in report.failures} == {2}
    assert all(one.planned for one in report.failures)
    assert any("party 1" in one.reason and "forward" in one.reason for one in report.failures)
    assert len(diary(plan, RELAY, 1).lines) == len(diary(plan, RELAY, 3).lines) == 3 * 4


def test_a_party_that_loses_its_weights_is_not_trained_with(tmp_path, monkeypatch):
    keep = Held.keep

    def forgetful(held, context):
        keep(held, context)
        if held.last == Place(round=1, step=4, steps=4) and "bottoms.1.1.bias" in held.weights.parameters:
            context.state.clear()

    monkeypatch.setattr(Held, "keep", forgetful)
    plan = plan_in(tmp_path)
    report = run_federation(plan)
    assert {one.round for one in report.failures} == {1, 2, 3}, "the test of round 1 too"
    assert all("after step 4 of round 1" in one.reason for one in report.failures)
    assert not report.evaluation


@pytest.mark.parametrize(
    ("federation", "sentence"),
    [
        ({"clients": 1}, "2 parties or more"),
        ({"cut": 9}, "expected a cut within the 4 layers"),
        ({"cut": "conv9"}, "no layer 'conv9'"),
        ({"columns": [[0, 1, 2, 3], [3, 4, 5, 6, 7]]}, "client 0's and client 1's"),
        ({"columns": [[0, 1, 1], [2, 3, 4, 5, 6, 7]]}, "client 0's twice"),
        ({"cut": 0}, "federation.cut: expected a number of layers from 1 on, or the name of a layer, got 0"),
        ({"cut": "4"}, "no layer '4'"),
        ({"columns": [[0, 1, 2, 3], [4, 5]]}, "nobody holds 6, 7"),
        ({"columns": [[0, 1, 2, 3, 4, 5, 6, 7], []]}, "got none"),
        ({"columns": [[0, 1, 2, 3, 4, 5, 6, 8], [7]]}, "no column 8"),
        ({"columns": "halves", "clients": 3}, "for two clients"),
        ({"clients": 9}, "9 parties cannot share out 8 columns"),
        ({"batch_size": 5000}, "rows, and a round takes"),
        ({"examples": 100_000}, "the parties have"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, federation, sentence):
    with pytest.raises(ConfigError, match=sentence):
        run_federation(plan_in(tmp_path, **federation))


@pytest.mark.parametrize("task", ["digits-resnet18", "pydoc-gru"])
def test_a_network_or_data_without_a_cut_is_refused(tmp_path, task):
    with pytest.raises(ConfigError, match=r"torch\.nn\.Sequential|images or a table"):
        run_federation(plan_in(tmp_path, task))


def test_a_file_that_names_a_strategy_beside_columns_is_refused():
    named = {"partition": "columns", "clients": 2, "strategy": "FedAvg"}
    with pytest.raises(
        ConfigError, match=r"federation\.strategy: expected none beside .* nothing is averaged, got FedAvg"
    ):
        parse_campaign({"name": "named", "task": "digits-mlp", "federation": named})


@pytest.mark.parametrize("changed", [{"strategy": "FedAvgM"}, {"proximal": 0.1}, {"partitioner": "ShardPartitioner"}])
def test_what_needs_rows_of_its_own_is_refused(tmp_path, changed):
    with pytest.raises(ConfigError, match=rf'federation\.{next(iter(changed))}: expected none beside .*"columns"'):
        plan_in(tmp_path, **changed)


def test_the_usual_strategy_stands_for_none_where_it_cannot_be_left_out(tmp_path):
    """As in the app's own config, of which `flwr run -c` changes keys and removes none."""
    config = {**plan_in(tmp_path).to_run_config(), "federation.strategy": "FedAvg"}
    plan = FederationPlan.from_run_config(config)
    assert plan.federation.strategy == NO_STRATEGY
    grid = {"name": "both", "task": "digits-mlp", "federation": {"partition": ["rows", "columns"], "clients": 2}}
    assert [one.experiment.federation.strategy for one in parse_campaign(grid).points] == ["FedAvg", NO_STRATEGY]
    turned = parse_campaign({**grid, "federation": {"partition": ["columns", "rows"], "clients": 2}})
    assert [one.experiment.federation.strategy for one in turned.points] == [NO_STRATEGY, "FedAvg"]
    assert parse_campaign(turned.tree).tree == turned.tree


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"federation": {"batches": "all", "batch_size": 8, "examples": 9}}, "cannot normalize a batch of one"),
        ({"utility": {"rounds": 1, "batch_size": 5000}}, "rows, and a round takes"),
    ],
)
def test_batches_of_any_round_are_refused_before_the_first(tmp_path, changed, sentence):
    plan = plan_in(tmp_path, {"data": "digits", "network": f"{__name__}:normalized"}, cut=2)
    tree = plan.model_dump(exclude_none=True, exclude={"defenses"})
    tree = {key: {**tree[key], **changed[key]} if key in changed else value for key, value in tree.items()}
    with pytest.raises(ConfigError, match=sentence):
        run_federation(parse_settings(FederationPlan, tree))
    assert not list(Path(plan.recordings).glob("round-*"))


def test_parties_compute_on_the_processor(tmp_path):
    tree = plan_in(tmp_path).model_dump(exclude_none=True, exclude={"defenses"})
    with pytest.raises(ConfigError, match="parties compute on the processor, got cuda"):
        parse_settings(FederationPlan, {**tree, "device": "cuda"})


def test_a_party_whose_numbers_run_away_says_so(tmp_path):
    with pytest.raises(NonFiniteError, match="not finite"):
        run_federation(plan_in(tmp_path, learning_rate=1e30, rounds=1))


@pytest.mark.parametrize("kind", ["forward", "top"])
def test_a_party_that_answers_something_else_is_named(tmp_path, monkeypatch, kind):
    other = {"something": torch.zeros(1)}
    party = {"forward": PassiveParty, "top": ActiveParty}[kind]
    monkeypatch.setattr(party, kind, lambda _: other)
    with pytest.raises(FederationError, match=r"party \d answered without '(embedding|slope\.1)', with something"):
        run_federation(plan_in(tmp_path, rounds=1))

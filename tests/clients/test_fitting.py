"""Fitting of a tree among parties: the tree of whole rows, which the active party holds, and no SGD."""

from pathlib import Path
from typing import Any

import pytest
import torch
from flwr.app import ConfigRecord, Message, RecordDict

from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.evaluation.message import Message as Recorded
from fedleak.experiment.grid import parse_campaign
from fedleak.federation import wire
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.io.fingerprint import source_fingerprint
from fedleak.learning.decision_tree import DecisionTree, tree_in
from fedleak.settings.base import parse_settings

from .conftest import LyingServer

COLUMNS = {"partition": "columns", "clients": 2, "columns": "halves", "release": "last"}
TREE = {"data": "diabetes", "network": "decision-tree", "options": {"depth": 4}}


def plan_in(folder: Path, **changes: Any) -> FederationPlan:
    tree = {"recordings": str(folder / "recordings/none"), "vault": str(folder / "vault/none"), "task": TREE, **changes}
    return parse_settings(FederationPlan, {**tree, "federation": {**COLUMNS, **changes.get("federation", {})}})


@pytest.mark.slow
@pytest.mark.parametrize("batches", ["all", 1])
def test_what_leaves_is_the_tree_of_whole_rows(tmp_path, batches):
    plan = plan_in(tmp_path, federation={"batches": batches, "batch_size": 100}, utility={"rounds": 1})
    report = run_federation(plan)
    message = Recorded.at(tmp_path / "recordings/none/round-0001/model.json")
    rows, task = message.truth, message.recording.task
    assert len(rows) == (100 if batches == 1 else len(load(plan.source).clients))
    theirs = DecisionTree(rows.inputs.shape[1], 2, 4)
    theirs.fit(rows.inputs, rows.labels, seed=0)
    said = task.logits(message.recording.before, rows.inputs, mode="eval").argmax(1)
    agreed = (said == theirs(rows.inputs).argmax(1)).double().mean()
    assert agreed > 0.97, "up to ties between splits that are as good"
    assert {*report.evaluation} == {1, 2}
    assert report.evaluation[1]["accuracy"] > 0.5
    assert not list((tmp_path / "recordings/none").glob("round-*/*.lines")), "nobody saw anything but the tree"


def test_another_network_is_not_fitted(tmp_path):
    server = LyingServer(tmp_path, federation=COLUMNS)
    config = ConfigRecord({wire.ROUND: 1, wire.STEP: 1, wire.STEPS: 1, wire.FINGERPRINT: source_fingerprint()})
    content = RecordDict({"config": config, "arrays": wire.to_arrays({wire.ROWS: torch.arange(4)})})
    [reply] = server.grid.send_and_receive([Message(content, 1, wire.FIT)])
    assert "expected a network that is a decision tree" in str(reply.error.reason)


def test_only_the_active_party_holds_the_tree(tmp_path):
    server = LyingServer(tmp_path, task=TREE, federation=COLUMNS)
    config = ConfigRecord({wire.ROUND: 1, wire.STEP: 1, wire.STEPS: 1, wire.FINGERPRINT: source_fingerprint()})
    content = RecordDict({"config": config, "arrays": wire.to_arrays({wire.ROWS: torch.arange(90)})})
    replies = server.grid.send_and_receive([Message(content, node, wire.FIT) for node in (1, 2)])
    assert not any(reply.has_error() for reply in replies)
    asked = RecordDict(
        {"config": ConfigRecord({wire.ROUND: 1, wire.FINGERPRINT: source_fingerprint()}), "arrays": wire.to_arrays({})}
    )
    parts = [
        wire.to_tensors(wire.arrays_of(reply.content))
        for reply in server.grid.send_and_receive([Message(asked, node, wire.PART) for node in (1, 2)])
    ]
    assert not parts[1]
    name, tree = tree_in(server.plan.public_task().network)
    tree.load_state_dict({key: parts[0][f"{name}.{key}"] for key in tree.state_dict()})
    assert len(list(tree.ways())) > 4


def test_attacks_on_a_cut_have_nothing_to_look_at():
    columns = {key: value for key, value in COLUMNS.items() if key != "release"}
    tree = {"name": "t", "task": "diabetes-decision-tree", "federation": columns}
    with pytest.raises(
        ConfigError, match=r"attacks\.0: direct-labels looks at what crosses the cut, and a decision tree"
    ):
        parse_campaign({**tree, "attacks": [{"use": "direct-labels"}]})

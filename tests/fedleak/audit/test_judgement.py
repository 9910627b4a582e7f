"""Judgement: nothing is attacked by what a client alone knows."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from fedleak.audit.judgement import Judge
from fedleak.audit.settings import AuditSettings
from fedleak.audit.understanding import understood


def weighted(first: float):
    weights = torch.tensor([first, 1.0, 1.0, 1.0, 1.0])

    def train(network, inputs, labels):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        functional.cross_entropy(network(inputs), labels, weight=weights).backward()
        optimizer.step()

    return train


@pytest.mark.parametrize(("second", "attacked"), [(2.0, True), (3.0, False)])
def test_weights_that_are_of_a_client_s_labels_are_not_told_to_attackers(
    seen, tmp_path: Path, second: float, attacked: bool
) -> None:
    settings = AuditSettings(
        folder=tmp_path, name="x", server="a:b", client="c:d", config={}, node_config={}, attacks=("analytic-linear",),
        out=tmp_path,
    )  # fmt: skip
    judge = Judge(settings, lambda _: None)
    updates = []
    for client, first in enumerate((2.0, second)):
        network = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.Sigmoid(), nn.Linear(16, 5))
        update = replace(seen(weighted(first), network), client=client)
        updates.append(judge.kept(update, understood(update)))
    judge.judge(updates, "")
    facts = json.loads((tmp_path / "audit.json").read_text())
    assert [one["verdict"] for one in facts["updates"]] == ["understood"] * 2
    assert bool(facts["attacks"]) == attacked
    assert attacked or "the weights of classes differ from client to client" in facts["out_of_scope"][0]

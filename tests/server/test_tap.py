"""The tap changes nothing and misses nothing."""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message
from flwr.serverapp.strategy import FedAvg

from fedleak.errors import FederationError
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.server.layer import Layer
from fedleak.server.roster import Roster
from fedleak.settings.base import parse_settings


class Through(Layer):
    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        return self.inner.send_and_receive(messages, timeout=timeout)


def what_the_strategy_sees(folder: Path, tapped: bool, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> list[Any]:
    seen: list[Any] = []
    original = FedAvg.aggregate_train

    def aggregate(self: FedAvg, server_round: int, replies: Iterable[Message]) -> Any:
        replies = list(replies)
        seen.append(copy.deepcopy([(reply.metadata.src_node_id, reply.content) for reply in replies]))
        return original(self, server_round, replies)

    with monkeypatch.context() as patch:
        patch.setattr(FedAvg, "aggregate_train", aggregate)
        tree = {
            "task": "digits-mlp",
            "recordings": str(folder / "r"),
            "vault": str(folder / "t"),
            "records": ["updates"] if tapped else [],
        }
        run_federation(parse_settings(FederationPlan, {**tree, **changes}))
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("chain", [[], [{"use": "secure-aggregation"}]], ids=["clear", "masked"])
def test_the_strategy_sees_the_same_with_and_without_the_tap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chain: list[dict[str, str]]
) -> None:
    settings = {"clients": 3, "rounds": 2}
    tapped, plain = (
        what_the_strategy_sees(tmp_path / str(tapped), tapped, monkeypatch, chain=chain, federation=settings)
        for tapped in (True, False)
    )
    assert len(tapped) == 2
    assert tapped == plain


def test_messages_cannot_pass_by_the_tap() -> None:
    layer = Through(object.__new__(Roster))
    with pytest.raises(FederationError, match="send_and_receive"):
        layer.push_messages([])
    with pytest.raises(FederationError, match="send_and_receive"):
        layer.pull_messages([])

"""A hundred honest rounds of a federation, none refused: real training with BatchNorm, in both of Flower's styles."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.client import NumPyClient
from flwr.clientapp import ClientApp
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerApp as OlderServerApp
from flwr.server import ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg as OlderFedAvg
from flwr.serverapp.strategy import FedAvg
from sklearn.datasets import load_digits
from torch import nn

from fedleak.federation.loopback import LoopbackGrid, server_context
from fedleak.guard.mod import guarded

from .conftest import EXAMPLE, Site

CLIENTS, ROUNDS, SHARE = 2, 100, 400
PIXELS, LABELS = load_digits(return_X_y=True)
INPUTS, TARGETS = torch.tensor(PIXELS / 16, dtype=torch.float32), torch.tensor(LABELS)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))


def trained(model: nn.Module, partition: int, seed: int) -> float:
    """An epoch over the client's share, in batches of 50."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    order = partition * SHARE + torch.randperm(SHARE, generator=torch.Generator().manual_seed(seed))
    for batch in order.split(50):
        loss = nn.functional.cross_entropy(model(INPUTS[batch]), TARGETS[batch])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return float(loss.detach())


def newer() -> ClientApp:
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        model = network()
        model.load_state_dict(message.content.array_records["arrays"].to_torch_state_dict())
        number = int(message.content.config_records["config"]["server-round"])  # type: ignore[arg-type]
        loss = trained(model, int(context.node_config["partition-id"]), number)
        arrays = ArrayRecord(model.state_dict())  # type: ignore[arg-type]
        metrics = MetricRecord({"num-examples": SHARE, "train_loss": loss})
        return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)

    @app.evaluate()
    def evaluate(message: Message, context: Context) -> Message:
        model = network()
        model.load_state_dict(message.content.array_records["arrays"].to_torch_state_dict())
        loss = float(nn.functional.cross_entropy(model.eval()(INPUTS[-200:]), TARGETS[-200:]).detach())
        return Message(RecordDict({"metrics": MetricRecord({"num-examples": 200, "loss": loss})}), reply_to=message)

    return app


class Older(NumPyClient):
    def __init__(self, partition: int) -> None:
        self._partition, self._model = partition, network()

    def _load(self, parameters: list[np.ndarray[Any, Any]]) -> None:
        named = zip(self._model.state_dict(), parameters, strict=True)
        self._model.load_state_dict(OrderedDict((name, torch.tensor(one)) for name, one in named))

    def fit(self, parameters: list[Any], config: dict[str, Any]) -> Any:
        self._load(parameters)
        loss = trained(self._model, self._partition, len(config))
        return [one.numpy() for one in self._model.state_dict().values()], SHARE, {"train_loss": loss}

    def evaluate(self, parameters: list[Any], config: dict[str, Any]) -> Any:
        self._load(parameters)
        outputs = self._model.eval()(INPUTS[-200:])
        return float(nn.functional.cross_entropy(outputs, TARGETS[-200:]).detach()), 200, {}


def heard_by(app: ClientApp, style: str) -> list[Message]:
    """All replies of a federation of `ROUNDS` rounds."""
    replies: list[Message] = []
    grid = LoopbackGrid(guarded(app), CLIENTS, {}, lambda message, reply: replies.append(reply))
    options = {"min_train_nodes": CLIENTS, "min_available_nodes": CLIENTS, "min_evaluate_nodes": CLIENTS}
    if style == "messages":
        arrays = ArrayRecord(network().state_dict())  # type: ignore[arg-type]
        FedAvg(**options).start(grid, arrays, num_rounds=ROUNDS, timeout=3600.0)  # type: ignore[arg-type]
        return replies
    first = ndarrays_to_parameters([one.numpy() for one in network().state_dict().values()])
    strategy = OlderFedAvg(initial_parameters=first)
    components = ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=ROUNDS))
    OlderServerApp(server_fn=lambda context: components)(grid, server_context({}))
    return replies


@pytest.fixture
def clinic(site: Site) -> Site:
    """The policy of the guide, at two nodes of one site whose examples are digits that the app trains on."""
    np.savez(site.folder / "examples.npz", images=PIXELS[: CLIENTS * SHARE])
    places = '[arrays]\ncounters = ["*num_batches_tracked", "6"]\nbuffers = ["*running_*", "4", "5"]'
    site.policy('per = "node"\n' + EXAMPLE.replace("[arrays]", places))
    return site


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("style", ["messages", "older"])
def test_a_hundred_honest_rounds_pass(clinic: Site, style: str) -> None:
    app = (
        newer()
        if style == "messages"
        else ClientApp(lambda context: Older(int(context.node_config["partition-id"])).to_client())
    )
    replies = heard_by(app, style)
    assert [reply.error.reason for reply in replies if reply.has_error()] == []
    assert len(replies) == 2 * CLIENTS * ROUNDS
    assert clinic.journal() == []
    assert not Path(clinic.folder / "guard-journal.jsonl").exists()

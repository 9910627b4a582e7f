"""Two small Flower apps, one for each style, whose clients keep the digests of all arrays that they get and send."""

import hashlib
from collections import Counter

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.client import NumPyClient
from flwr.clientapp import ClientApp
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg as FedAvgOfBefore
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from fedleak.wiretap import tap

ROUNDS, CLIENTS = 2, 4
"""Means over so many are exact, in whatever order."""
SHAPES = {"weight": (3, 4), "bias": (3,), "counter": ()}
FAILS = "fails"


def digest(arrays):
    """Of names, types, shapes and bytes of arrays, in no way that the tap knows."""
    whole = hashlib.md5()
    for name, array in sorted(arrays.items()):
        whole.update(repr((name, str(array.dtype), array.shape)).encode() + array.tobytes())
    return whole.hexdigest()


def weights():
    rng = np.random.default_rng(0)
    return {name: rng.integers(-9, 9, shape).astype("float32") for name, shape in SHAPES.items()}


def trained(arrays, node):
    return {name: np.asarray(array + np.float32(node), array.dtype) for name, array in arrays.items()}


class Messages:
    """The message API."""

    def __init__(self):
        self.got, self.gave = Counter(), Counter()
        self.client, self.server = ClientApp(), ServerApp()
        self.client.train()(self.train)
        self.client.evaluate()(self.evaluate)
        self.server.main()(self.main)

    def train(self, message: Message, context: Context) -> Message:
        own = {name: array.numpy() for name, array in message.content["arrays"].items()}
        self.got[digest(own)] += 1
        if context.node_config["partition-id"] == context.run_config.get(FAILS):
            raise RuntimeError("no data here")
        new = trained(own, context.node_id)
        self.gave[digest(new)] += 1
        arrays = ArrayRecord({name: Array(array) for name, array in new.items()})
        metrics = MetricRecord({"num-examples": 4, "loss": float("nan")})
        return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)

    def evaluate(self, message: Message, context: Context) -> Message:
        self.got[digest({name: array.numpy() for name, array in message.content["arrays"].items()})] += 1
        metrics = MetricRecord({"num-examples": 4, "accuracy": 0.5})
        return Message(RecordDict({"metrics": metrics}), reply_to=message)

    def main(self, grid: Grid, context: Context) -> None:
        arrays = ArrayRecord({name: Array(array) for name, array in weights().items()})
        strategy = FedAvg(min_available_nodes=CLIENTS)
        config = ConfigRecord({"lr": 0.1, "secret": "hunter2"})
        strategy.start(tap(grid), arrays, num_rounds=ROUNDS, timeout=60.0, train_config=config)


class Numpy(NumPyClient):
    """A client of the older API."""

    def __init__(self, app, node):
        self.app, self.node = app, node

    def fit(self, parameters, config):
        own = {str(place): array for place, array in enumerate(parameters)}
        self.app.got[digest(own)] += 1
        new = trained(own, self.node)
        self.app.gave[digest(new)] += 1
        return list(new.values()), 4, {"loss": 0.25}

    def evaluate(self, parameters, config):
        self.app.got[digest({str(place): array for place, array in enumerate(parameters)})] += 1
        return 0.5, 4, {"accuracy": 0.75}


class OfBefore:
    """The older API: a thread for each client, and arrays without names."""

    def __init__(self):
        self.got, self.gave = Counter(), Counter()
        self.client = ClientApp(client_fn=lambda context: Numpy(self, context.node_id).to_client())
        self._server = ServerApp(server_fn=self.components)

    def server(self, grid, context):
        self._server(tap(grid), context)

    def components(self, context: Context) -> ServerAppComponents:
        strategy = FedAvgOfBefore(
            min_available_clients=CLIENTS,
            initial_parameters=ndarrays_to_parameters(list(weights().values())),
            on_fit_config_fn=lambda round: {"lr": 0.1, "secret": "hunter2"},
        )
        return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=ROUNDS))

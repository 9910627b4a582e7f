"""The server."""

import torch
from flwr.common import Context, ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg
from task import Net
from utils import get_weights


def server_fn(context: Context):
    torch.manual_seed(context.run_config["data-seed"])
    strategy = FedAvg(initial_parameters=ndarrays_to_parameters(get_weights(Net())))
    return ServerAppComponents(
        strategy=strategy, config=ServerConfig(num_rounds=context.run_config["num-server-rounds"])
    )


app = ServerApp(server_fn=server_fn)

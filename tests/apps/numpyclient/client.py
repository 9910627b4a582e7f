"""The client."""

from flwr.client import ClientApp, NumPyClient
from flwr.common import Context
from task import Net, train
from utils import get_weights, load_data, set_weights


class FlowerClient(NumPyClient):
    def __init__(self, net, loader, epochs, lr):
        self.net, self.loader, self.epochs, self.lr = net, loader, epochs, lr

    def fit(self, parameters, config):
        set_weights(self.net, parameters)
        train(self.net, self.loader, self.epochs, self.lr)
        return get_weights(self.net), len(self.loader.dataset), {}

    def evaluate(self, parameters, config):
        return 0.0, 1, {"accuracy": 0.0}


def client_fn(context: Context):
    config = context.run_config
    loader = load_data(context.node_config["partition-id"], config["images"], config["batch-size"], config["data-seed"])
    return FlowerClient(Net(), loader, config["local-epochs"], config["learning-rate"]).to_client()


app = ClientApp(client_fn=client_fn)

"""A client: it trains on its own photos, and adds noise where that is asked for."""

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from curious.task import Net, photos_of, train

app = ClientApp()


@app.train()
def train_round(message: Message, context: Context) -> Message:
    """One step, and the weights after it."""
    config, client = context.run_config, int(context.node_config["partition-id"])
    net = Net()
    net.load_state_dict(message.content["arrays"].to_torch_state_dict())
    images, labels = photos_of(client, int(config["photos"]))
    loss = train(net, images, labels, float(config["learning-rate"]))
    with torch.no_grad():
        for value in net.parameters():
            value += float(config["noise"]) * torch.randn_like(value)
    # That the client says which it is serves the demonstration alone: whose photos to show beside a guess.
    metrics = MetricRecord({"num-examples": len(images), "train_loss": loss, "client": client})
    content = RecordDict({"arrays": ArrayRecord(net.state_dict()), "metrics": metrics})
    return Message(content=content, reply_to=message)

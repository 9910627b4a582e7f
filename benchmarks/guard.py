"""What the guard costs: its seconds over those of a client's round, for networks of three sizes.

    python benchmarks/guard.py [rounds]

A round is an epoch of SGD on the client's own examples in batches of 32, asked and answered as in a federation, with
every rule of the guide on, and all of the client's examples compared with all that it sends. Seconds are of the clock,
in one process, on one thread; `guard` is what a guarded app takes beyond what it takes inside, the median over rounds,
and `share` is that over the whole round. The aim is 5%.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.supercore.task_identity import TaskIdentity
from torch import nn
from torchvision.models import resnet18

from fedleak.guard.mod import guarded
from fedleak.guard.policy import POLICY

RULES = """
runs = 5
max_bytes = 1_000_000_000
examples = { source = "examples.npz", max_correlation = 0.95 }
[messages.train]
arrays = true
rounds = 100000
[messages.train.metrics]
num-examples = { min = 20, max = 100_000, whole = true, required = true }
train_loss = { min = 0, max = 100 }
[arrays]
norm_of = "parameters"
max_norm = 1000.0
min_norm = 0.0
max_entry = 1000.0
max_distance = 100.0
max_changed = 1.0
"""


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def lenet() -> nn.Module:
    """The network of Flower's first example in PyTorch."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def residual() -> nn.Module:
    return resnet18(num_classes=10)


NETWORKS = {"perceptron": (perceptron, (1, 28, 28)), "lenet": (lenet, (3, 32, 32)), "resnet18": (residual, (3, 32, 32))}
EXAMPLES = {"perceptron": 6000, "lenet": 5000, "resnet18": 1000}
"""A tenth of MNIST, a tenth of CIFAR-10, and fewer where training takes long."""
ROUNDS = {"perceptron": 30, "lenet": 10, "resnet18": 3}


def client_of(build: Any, inputs: torch.Tensor, labels: torch.Tensor, inside: list[float]) -> ClientApp:
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:  # noqa: ARG001
        started = time.perf_counter()
        model = build()
        model.load_state_dict(message.content.array_records["arrays"].to_torch_state_dict())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for batch in torch.randperm(len(inputs)).split(32):
            loss = nn.functional.cross_entropy(model(inputs[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        metrics = MetricRecord({"num-examples": len(inputs), "train_loss": float(loss.detach())})
        arrays = ArrayRecord(model.state_dict())
        reply = Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)
        inside.append(time.perf_counter() - started)
        return reply

    return app


def measured(name: str, rounds: int | None) -> tuple[int, float, float]:
    """Parameters, seconds of the guard and of a round."""
    build, shape = NETWORKS[name]
    torch.manual_seed(0)
    inputs, labels = torch.randn(EXAMPLES[name], *shape), torch.randint(10, (EXAMPLES[name],))
    model, inside, whole = build(), [], []
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder, "examples.npz"), images=inputs.numpy())
        Path(folder, "policy.toml").write_text(RULES)
        os.environ[POLICY] = str(Path(folder, "policy.toml"))
        app = guarded(client_of(build, inputs, labels, inside))
        for number in range(1 + (rounds or ROUNDS[name])):
            content = RecordDict(
                {"arrays": ArrayRecord(model.state_dict()), "config": ConfigRecord({"server-round": number})}
            )
            message = Message(content, dst_node_id=2, message_type="train")
            started = time.perf_counter()
            reply = app(message, Context(1, 2, {}, RecordDict(), {}))
            whole.append(time.perf_counter() - started)
            if reply.has_error():
                raise RuntimeError(reply.error.reason)
    added = [one - other for one, other in zip(whole, inside, strict=True)][1:]  # the first reads the site's examples
    return sum(one.numel() for one in model.parameters()), statistics.median(added), statistics.median(whole[1:])


def main() -> None:
    torch.set_num_threads(1)
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 0
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else None
    print(f"{'network':12}{'parameters':>12}{'examples':>10}{'round s':>10}{'guard ms':>10}{'share':>8}")  # noqa: T201
    for name in NETWORKS:
        size, guard, whole = measured(name, rounds)
        print(f"{name:12}{size:12}{EXAMPLES[name]:10}{whole:10.3f}{1000 * guard:10.1f}{guard / whole:8.2%}")  # noqa: T201


if __name__ == "__main__":
    main()

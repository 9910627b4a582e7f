"""Labels that a passive party infers: own columns, its network completed, and that of a malicious optimizer.

    python benchmarks/labels_across_the_cut.py [--task digits-mlp] [--cut 3] [--epochs 20] [--rows 2000] [--seeds 1 2 3]

Two parties hold halves of the columns. They train in this process by the steps of `fedleak.learning.split`, which those
of a federation are; their optimizer's state starts anew each epoch. Party 1 knows 40 labels and is asked for those of
500 other rows.
"""

import argparse
import statistics
from collections.abc import Sequence

import torch
import typer
from scipy.stats import t
from torch import Tensor

from fedleak.attacks.split.passive_labels import PassiveLabels
from fedleak.contracts.chain import Chain
from fedleak.contracts.cut import Cut
from fedleak.contracts.tampered import moved
from fedleak.contracts.tampering import Tampering
from fedleak.data.splits import load
from fedleak.goals.own_columns import labels_by_own_columns
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.optimizer import Optimizer
from fedleak.learning.split import ActiveParty, Party, SplitNetwork, held_by
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator
from fedleak.settings.columns import Split
from fedleak.settings.task import TaskSettings
from fedleak.tamperings.malicious_optimizer import MaliciousOptimizer
from fedleak.tasks import hardened, initial_weights, source_of

KNOWN, ASKED, BATCH = 40, 500, 64
TRAINING = LocalTraining(learning_rate=0.05, momentum=0.9)


def trained(
    task: Task, start: Weights, rows: Batch, does: Sequence[Tampering], epochs: int, seed: int
) -> list[Weights]:
    """What each party holds in the end."""
    network = task.network
    assert isinstance(network, SplitNetwork)
    held = [held_by(start, party) for party in (0, 1)]
    active, passive = ActiveParty(network, 0, task.criterion), Party(network, 1)
    columns = [rows.inputs[..., list(places)].contiguous() for places in network.places]
    for epoch in range(epochs):
        optimizers = [Optimizer(TRAINING), Optimizer(TRAINING)]
        kept: dict[str, NamedTensors] = {}
        order = torch.randperm(len(rows), generator=generator("epoch", seed, epoch))
        for batch in order.split(BATCH):
            sent = passive.embedding(held[1], columns[1][batch], "train")
            step = active.step(held[0], columns[0][batch], [sent], rows.labels[batch], "train")
            slopes = [step.gradients, passive.slopes(held[1], columns[1][batch], step.slopes[0], "train")]
            changes = [
                one.change(slope, own.parameters, None, TRAINING.learning_rate or 0.0)
                for one, slope, own in zip(optimizers, slopes, held, strict=True)
            ]
            changes[1], kept = moved(does, 1, changes[1], kept)
            held = [_down(own, change) for own, change in zip(held, changes, strict=True)]
    return held


def _down(own: Weights, change: NamedTensors) -> Weights:
    return Weights({name: value - change[name] for name, value in own.parameters.items()}, own.buffers)


def view(task: Task, rows: Batch, weights: NamedTensors, seed: int) -> tuple[Cut, Tensor]:
    """What party 1 has after training, and the labels that it is asked for."""
    network = task.network
    assert isinstance(network, SplitNetwork)
    order = torch.randperm(len(rows), generator=generator("known", seed))
    turns = torch.empty_like(order)
    for label in torch.unique(rows.labels):
        own = order[rows.labels[order] == label]
        turns[own] = torch.arange(len(own))
    known = order[torch.argsort(turns[order], stable=True)[:KNOWN]]
    asked = order[~torch.isin(order, known)][:ASKED]
    inputs = rows.inputs[..., list(network.places[1])].contiguous()
    hidden = torch.full((len(asked), *rows.inputs.shape[1:]), torch.nan)
    cut = Cut(
        task=task,
        rows=Batch(hidden, torch.full((len(asked),), -1), rows.space),
        seat="passive",
        party=1,
        asks="labels",
        asked=asked,
        exchanges=(),
        own=inputs,
        weights=weights,
        known=known,
        known_labels=rows.labels[known],
    )
    return cut, rows.labels[asked]


def accuracy(said: Tensor | None, labels: Tensor) -> float:
    return float("nan") if said is None else (said.argmax(1) == labels).double().mean().item()


def figures(arguments: argparse.Namespace, seed: int) -> dict[str, float]:
    settings, split = TaskSettings.model_validate(arguments.task), Split(parties=2, columns="halves", cut=arguments.cut)
    task, rows = hardened(settings, Chain(), split), load(source_of(settings)).clients
    rows = rows[torch.randperm(len(rows), generator=generator("rows", seed))[: arguments.rows]]
    start = initial_weights(settings, seed, split=split)
    made: dict[str, float] = {}
    kinds: dict[str, list[Tampering]] = {"passive": [], "active": [MaliciousOptimizer()]}
    for name, does in kinds.items():
        held = trained(task, start, rows, does, arguments.epochs, seed)
        cut, labels = view(task, rows, held[1].state_dict(), seed)
        made |= {"own columns": accuracy(labels_by_own_columns(cut), labels)} if name == "passive" else {}
        for rate in (0.0, 1.0):
            guess = PassiveLabels(bottom_rate=rate).run(cut, generator("attack", seed)).columns
            made[f"{name}, bottom_rate {rate:g}"] = accuracy(guess, labels)
    return made


def main() -> None:
    """Prints a line for each seed, and the mean of each column with its gain over own columns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="digits-mlp")
    parser.add_argument("--cut", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    arguments = parser.parse_args()
    lines = []
    for seed in arguments.seeds:
        lines.append(figures(arguments, seed))
        typer.echo(f"{seed}: " + "; ".join(f"{name} {value:.3f}" for name, value in lines[-1].items()))
    for name in lines[0]:
        for other in ("own columns", name.replace("active", "passive")):
            gains = [line[name] - line[other] for line in lines]
            if name != other and len(gains) > 1:
                half = float(t.ppf(0.975, len(gains) - 1)) * statistics.stdev(gains) / len(gains) ** 0.5
                better = sum(one > 0 for one in gains)
                typer.echo(f"{name} - {other}: {statistics.mean(gains):+.3f} +- {half:.3f}, above 0 on {better} seeds")


if __name__ == "__main__":
    main()

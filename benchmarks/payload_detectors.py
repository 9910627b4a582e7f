"""Which hidden payloads an audit of a released model sees at 1% false alarms, by encoding and strength.

    python benchmarks/payload_detectors.py [--task digits-mlp] [--honest 99] [--seeds 1 2 3]

Four clients train ten rounds. Honest models of other seeds and other shares are the auditor's: the first is the twin,
the others say what a score is worth. A line has in how many of the seeds each detector flags the model.
"""

import argparse
from collections.abc import Sequence
from functools import cache

import torch
import typer

from fedleak.analysis.payload_detectors import SCORES, findings, scores, thresholds
from fedleak.client_round import client_round
from fedleak.contracts.chain import Chain
from fedleak.contracts.tampered import Tampered, built, sent_parameters
from fedleak.contracts.tampering import Standing, Tampering
from fedleak.data.splits import load
from fedleak.learning.task import mean_loss
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.tasks import initial_weights, source_of, task_of

CLIENTS, ROUNDS = 4, 10
TRAINING = LocalTraining(batch_size=16, learning_rate=0.1)
CASES = (
    {"use": "lsb-encoding", "images": 20, "guard": 0},
    {"use": "lsb-encoding", "images": 20},
    {"use": "correlated-encoding", "images": 12, "strength": 0.5},
    {"use": "correlated-encoding", "images": 12},
    {"use": "correlated-encoding"},
    {"use": "sign-encoding", "images": 2, "strength": 0.01, "margin": 0.0},
    {"use": "sign-encoding", "images": 2},
    {"use": "sign-encoding"},
)
"""Encodings, each from the weakest."""


@cache
def trained(name: str, seed: int, does: tuple[Tampering, ...] = ()) -> Weights:
    """The released model."""
    task, data = task_of(name), load(source_of(name)).clients
    order = torch.randperm(len(data), generator=generator("audit", seed))
    shares, weights = [data[places] for places in order.chunk(CLIENTS)], initial_weights(name, seed)
    for round in range(ROUNDS):
        mean = {key: torch.zeros_like(value) for key, value in weights.parameters.items()}
        for client, share in enumerate(shares):
            standing = Standing(
                task=task,
                share=share,
                client=client,
                clients=CLIENTS,
                weight=len(share) / len(data),
                sent=sent_parameters(task, Chain()),
            )
            tampered = Tampered(does=does, standing=standing)
            key = ("audit", seed, client, round)
            sent = client_round(task, weights, share, TRAINING, Chain(), key, None, tampered).weights
            for parameter, value in sent.parameters.items():
                mean[parameter] += standing.weight * value
        weights = Weights(mean, weights.buffers)
    return weights


def accuracy(name: str, models: Sequence[Weights]) -> float:
    """On the test split, the mean of several."""
    test = load(source_of(name)).test
    return sum(mean_loss(task_of(name), one, test)[1] for one in models) / len(models)


def main() -> None:
    """Prints a line for honest models of the seeds and for each encoding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--task", default="digits-mlp")
    parser.add_argument("--honest", type=int, default=99)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    twin, *honest = [trained(options.task, 1000 + seed) for seed in range(options.honest + 1)]
    limits = thresholds(honest, twin)
    typer.echo(
        "flagged at 1% false alarms: " + ", ".join(f"{name} above {limit:.3g}" for name, limit in limits.items())
    )
    for case in ({}, *CASES):
        does = built((case,)) if case else ()
        models = [trained(options.task, seed, does) for seed in options.seeds]
        found = [[one.flagged for one in findings(model, twin, limits)] for model in models]
        said = [sum(flags) for flags in zip(*found, strict=True)]
        middle = [sum(scores(model, twin)[name] for model in models) / len(models) for name in SCORES]
        words = "  ".join(
            f"{name} {n}/{len(models)} ({mean:.3g})" for name, n, mean in zip(SCORES, said, middle, strict=True)
        )
        typer.echo(f"{case or 'honest'}  accuracy {accuracy(options.task, models):.3f}  {words}")


if __name__ == "__main__":
    main()

"""Private inference: agreement with the plain network, seconds and bytes an answer, under CKKS, on shares and in plain.

    python benchmarks/private_inference.py [--answers 5] [--epochs 10] [--networks digits-mlp small-convnet]

Each network is trained on digits with SGD as it is defended. Bytes up and down are those of the user, between those of
operators, once those of keys or of shares of the model. Seconds are processor time, of several operators the longest.
Two operators are there for their figures alone: MPyC hides nothing between two.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import typer
from torch import nn

from fedleak.contracts.chain import Chain
from fedleak.contracts.private_inference import Cost, PrivateEvaluation
from fedleak.data.splits import load
from fedleak.defenses.encrypted_inference import EncryptedInference
from fedleak.defenses.mpc_inference import MPCInference
from fedleak.defenses.parts.private_inference import PrivateInference
from fedleak.defenses.parts.secret_sharing import SharedEvaluation
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.learning.weights import Weights
from fedleak.randomness import one_thread, seeded
from fedleak.serving.served_model import probabilities_of
from fedleak.tasks import task_of

NETWORKS = ("digits-mlp", "small-convnet")
COLUMNS = ("network, activation", "evaluated", "accuracy", "score off by", "s each", "up", "down", "between", "once")


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to evaluate a network."""

    words: str
    defense: PrivateInference
    parties: int = 0
    """Of shares, where they are fewer than a defense takes."""

    def evaluation(self, task: Task, weights: Weights) -> PrivateEvaluation:
        """Its operators, started."""
        defense = self.defense
        if self.parties and isinstance(defense, MPCInference):
            return SharedEvaluation(defense.maps(task, weights), defense.activation, self.parties)
        return defense.evaluated(task, weights)


SQUARES = (
    Way(words="CKKS", defense=EncryptedInference()),
    Way(words="2 parties, nothing hidden", defense=MPCInference(activation="square"), parties=2),
    Way(words="3 parties", defense=MPCInference(activation="square")),
)
COMPARISONS = (
    Way(words="2 parties, nothing hidden", defense=MPCInference(), parties=2),
    Way(words="3 parties", defense=MPCInference()),
)


def undefended(name: str) -> Task:
    """The task of a network as it is."""
    if name != "small-convnet":
        return task_of(name)
    layers = nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(32, 10)
    return replace(task_of("digits-mlp"), name=name, network=nn.Sequential(*layers))


def trained(task: Task, epochs: int) -> Weights:
    """Its weights after some epochs of SGD on all private digits."""
    with seeded("benchmark", task.name):
        for module in task.network.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                module.reset_parameters()
    rows = load("digits-mlp").clients
    training = LocalTraining(batch_size=16, batches=len(rows) // 16, epochs=epochs, learning_rate=0.05, momentum=0.9)
    return train_locally(task, Weights.of(task.network).clone(), rows, training, ("benchmark",))


def lines(name: str, ways: Sequence[Way], answers: int, epochs: int) -> Iterator[tuple[str, ...]]:
    """The plain network, then each way to evaluate it unseen."""
    task = Chain((ways[0].defense,)).task(undefended(name))
    weights, test = trained(task, epochs), load("digits-mlp").test
    right = task.logits(weights, test.inputs, mode="eval").argmax(1) == test.labels
    about = f"{name}, {'ReLU' if ways is COMPARISONS else 'polynomial'}", f"{right.double().mean():.3f}"
    asked = test.inputs[:answers]
    plain = task.logits(weights, asked, mode="eval").detach().double()
    started = time.process_time()
    probabilities_of(task, weights, asked)
    took, values = time.process_time() - started, asked[0].numel()
    yield row(about, "in plain", Cost(answers=answers, seconds=took, uploaded=4 * values * answers,
                                      downloaded=4 * task.classes * answers))  # fmt: skip
    for way in ways:
        scores, cost = way.evaluation(task, weights).scores(asked)
        yield row(about, way.words, replace(cost, difference=float((scores - plain).abs().max())))


def row(about: tuple[str, str], words: str, cost: Cost) -> tuple[str, ...]:
    """Figures as they are printed, of one answer but for the last."""
    sizes = (round(size / cost.answers) for size in (cost.uploaded, cost.downloaded, cost.between))
    figures = (f"{cost.difference:.0e}", f"{cost.seconds / cost.answers:.2g}", *(f"{one:,}" for one in sizes))
    return (about[0], words, about[1], *figures, f"{cost.once:,}")


def main() -> None:
    """Prints the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--answers", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    chosen = parser.parse_args()
    for head in (COLUMNS, ("---",) * len(COLUMNS)):
        typer.echo(f"| {' | '.join(head)} |")
    with one_thread():
        for name in chosen.networks:
            for ways in (SQUARES, COMPARISONS):
                for one in lines(name, ways, chosen.answers, chosen.epochs):
                    typer.echo(f"| {' | '.join(one)} |")


if __name__ == "__main__":
    main()

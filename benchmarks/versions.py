"""What `updates-leak` tells of one new digit between two versions of a model: many updates, one set of shadow updates.

    python benchmarks/versions.py

Ten federations of four clients (120 digits each) are each updated by 40 digits that they have not seen, one at a time.
"""

import math
import time
from dataclasses import replace

import torch
import typer

from fedleak.attacks.parts.versions.base import VersionReader
from fedleak.attacks.parts.versions.changes import Changes, Compared, least_shown
from fedleak.attacks.parts.versions.readers import Effort, read_distribution
from fedleak.attacks.parts.versions.shadow_updates import ShadowUpdates, own_models, probabilities
from fedleak.attacks.versions.updates_leak import UpdatesLeak
from fedleak.contracts.chain import Chain
from fedleak.contracts.released import Released
from fedleak.data.splits import load
from fedleak.learning.facts import LocalTraining
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.stacked_updates import updates_of
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.tasks import task_of

FEDERATIONS, UPDATES = 10, 40
BEFORE = LocalTraining(batch_size=8, batches=None, learning_rate=0.1, momentum=0.9)
ONE = LocalTraining(batch_size=1, batches=1, learning_rate=0.05)
COMPARED: tuple[Compared, ...] = ("ratio", "difference")


def main() -> None:
    """Prints a line for each way to compare answers."""
    task, splits, attack = task_of("digits-mlp"), load("digits-mlp"), UpdatesLeak()
    clients, public = splits.clients, splits.auxiliary[torch.arange(256)]
    sizes = {"federations": FEDERATIONS, "clients": 4, "examples": 480, "rounds": 20}
    federations = StackedFederations.drawn(task, clients, BEFORE, **sizes)
    before = federations.trained()
    one = {"count": FEDERATIONS * UPDATES, "clients": 1, "examples": 1, "rounds": 1, "seed": 1}
    asked = updates_of(task, clients, before, federations.trains_on, ONE, **one)
    view = Released(task=task, weights=Weights.of(task.network), training=ONE, cohort=(0, 1, 2, 3), new_examples=1)
    view = replace(view, round=2, earlier=(view,), auxiliary=public)
    probes = public.inputs[: attack.probes]
    first = probabilities(view, before, probes)
    seen = Changes(before=first.repeat_interleave(UPDATES, 0), after=probabilities(view, asked.trained(), probes))
    right = (probabilities(view, before, splits.test.inputs).argmax(2) == splits.test.labels).double().mean()
    typer.echo(f"accuracy of the versions before {right:.3f}")
    started = time.process_time()
    own = own_models(view, public, attack.models, attack.rounds)
    shadows = ShadowUpdates.of(view, public, probes, own, attack.shadows)
    typer.echo(f"{len(shadows.records)} shadow updates: {time.process_time() - started:.1f} CPU s")
    for compared in COMPARED:
        report(attack, seen, shadows, public.labels, clients.labels[asked.shares[:, 0, 0]], compared)


def report(
    attack: VersionReader,
    seen: Changes,
    shadows: ShadowUpdates,
    labels: torch.Tensor,
    truth: torch.Tensor,
    compared: Compared,
) -> None:
    """Top label, divergence in nats, and seconds of learning; beside it the divergence of public frequencies."""
    least, started = least_shown(Chain()), time.process_time()
    known, told = (one.features(compared, least) for one in (shadows.changes, seen))
    scale = known.square().mean().sqrt()
    shares = torch.nn.functional.one_hot(labels[shadows.records], 10).float().mean(1)
    effort = Effort(hidden=attack.hidden, updates=attack.epochs * attack.shadows)
    said = read_distribution(known / scale, shares, told / scale, effort, generator("benchmark"))
    hits = (said.argmax(1) == truth).double().reshape(FEDERATIONS, -1).mean(1)
    surprise = -(0.999 * said.gather(1, truth[:, None])[:, 0] + 0.001).log().mean()
    frequency = torch.bincount(labels, minlength=10) / len(labels)
    blind = -(0.999 * frequency[truth] + 0.001).log().mean()
    half = 2.262 * hits.std() / math.sqrt(FEDERATIONS)
    typer.echo(
        f"{compared}: top label {hits.mean():.3f} +- {half:.3f}, divergence {surprise:.3f} nats (prior {blind:.3f}), "
        f"{time.process_time() - started:.1f} CPU s"
    )


if __name__ == "__main__":
    main()

"""Networks at real sizes, torchvision's own at 224x224 on photographs: labels, matching, profile, closed forms.

    python benchmarks/real_sizes.py FOLDER [--networks resnet18 ...] [--draws N] [--pairs N] [--parts labels ...]

FOLDER is an image folder, such as ImageNet samples. Weights are untrained. Times are processor time on one thread.
Peaks are of resident memory, in GiB, beyond what a process of its own held before: network, data and update.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from loop import by_hand, engine, seconds

from fedleak.clients.memory import footprint
from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.data.splits import load
from fedleak.learning.batch import Batch
from fedleak.learning.layers import twice_differentiable
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.learning.update import Update, UpdateKind
from fedleak.profile.profile import profile
from fedleak.profile.subject import Subject
from fedleak.randomness import generator
from fedleak.settings.task import TaskSettings
from fedleak.tasks import initial_weights, source_of, task_of

NETWORKS = ("resnet18", "resnet50", "vgg11", "mobilenet_v2", "densenet121", "vit_b_16")
ANALYTIC: dict[str, dict[str, int]] = {
    "analytic-linear": {},
    "april": {},
    "spear": {},
    "cocktail-party": {"steps": 5},
    "r-gap": {},
}
"""Attacks with options: of a descent on features a few steps show that it runs."""
Seen = tuple[Observation, Batch]
Measured = tuple[float, float, float, Any]
"""Seconds of processor time, seconds by the clock, peak in GiB, and what was returned."""


def observed(folder: str, network: str, examples: int, seed: int) -> Seen:
    """One step of a client on photographs of 224x224, and the truth behind it."""
    table = {"data": f"image-folder:{folder}", "size": 224, "network": f"torchvision:{network}"}
    settings = TaskSettings.model_validate(table)
    private, rng = load(source_of(settings)).clients, generator("benchmark", network, seed)
    batch = private[torch.randperm(len(private), generator=rng)[:examples]]
    training = LocalTraining(batch_size=examples, learning_rate=0.1)
    task, before = task_of(settings), initial_weights(settings, seed)
    after = train_locally(task, before, batch, training, ("benchmark", seed))
    delta = {name: after.parameters[name] - value for name, value in before.parameters.items()}
    observation = Observation(
        task=task,
        before=before,
        update=Update(delta, UpdateKind.DELTA),
        buffers_after=after.buffers or None,
        num_examples=examples,
        training=training,
    )
    return observation, batch


def alone(work: Callable[[], Any]) -> Measured:
    """The work in a process of its own."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def measure() -> None:
        with footprint() as peak:
            began, clock = time.process_time(), time.perf_counter()
            result = work()
            took = time.process_time() - began, time.perf_counter() - clock
        theirs.send((*took, peak.bytes / 2**30, result))

    process = context.Process(target=measure)
    process.start()
    theirs.close()
    try:
        found: Measured = ours.recv()
    finally:
        process.join()
    return found


def labels(folder: str, network: str, draws: int) -> Iterator[str]:
    """How many of the batch's labels are named, as a multiset, and the processor time of a rule."""
    for examples in (1, 8):
        named, took = [], []
        for seed in range(draws):
            observation, truth = observed(folder, network, examples, seed)
            began = time.process_time()
            guess = attacks.build("auto-labels", {}).run(observation, generator("labels", seed)).labels
            took.append(time.process_time() - began)
            found = torch.zeros(0, dtype=torch.int64) if guess is None else guess
            pair = [torch.bincount(one, minlength=observation.task.classes) for one in (found, truth.labels)]
            named.append(float(torch.minimum(*pair).sum()) / examples)
        mean, least = statistics.mean(named), min(named)
        yield f"| {network} | {examples} | {draws} | {mean:.3f} | {least:.3f} | {statistics.median(took):.1f} s |"


def step(folder: str, network: str, pairs: int, examples: int, steps: int) -> Iterator[str]:
    """A matching step over a double backward by hand: processor time in one process, peaks in one each."""
    observation, truth = observed(folder, network, examples, 0)
    peaks = [alone(lambda loop=loop: _silent(loop, observation, truth))[2] for loop in (engine, by_hand)]
    ratios, each = [], []
    for number in range(pairs):
        loops = [engine, by_hand] if number % 2 else [by_hand, engine]
        took = {loop: seconds(loop, observation, truth, steps) for loop in loops}
        ratios.append(took[engine] / took[by_hand])
        each.append(took[engine] / steps)
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    memory = f"{peaks[0]:.2f} | {peaks[1]:.2f} | {peaks[0] / peaks[1]:.2f}"
    time_of = f"{min(each):.2f} s | {statistics.median(ratios):.2f} | {spread}"
    yield f"| {network} | {examples} | {pairs} of {steps} | {time_of} | {memory} |"


def _silent(loop: Callable[[Observation, Batch, int], object], observation: Observation, truth: Batch) -> None:
    loop(observation, truth, 2)


def profiled(folder: str, network: str, examples: int) -> Iterator[str]:
    """The time and memory of a profile, and what it comes to."""
    observation, truth = observed(folder, network, examples, 0)
    subject = Subject(title=network, observation=observation, truth=truth, training=observation.training)

    def work() -> str:
        inside = profile(subject).inside
        assert inside is not None
        return (
            f"{inside.carried.about:,} ({inside.carried.low:,} to {inside.carried.high:,}) | {inside.fisher.spread:.1%}"
        )

    took, clock, peak, words = alone(work)
    yield f"| {network} | {examples} | {took:.0f} s | {clock:.0f} s | {peak:.2f} | {words} |"


def analytic(folder: str, network: str) -> Iterator[str]:
    """Whether closed-form attacks run, or the sentence that they refuse with."""
    observation, _ = observed(folder, network, 1, 0)
    for name, options in ANALYTIC.items():

        def work(name: str = name, options: dict[str, int] = options) -> str:
            guess = attacks.build(name, options).run(observation, generator("analytic"))
            return guess.failure or ("a guess" if guess.inputs is not None else "labels alone")

        took, _, peak, words = alone(work)
        yield f"| {network} | {name} | {took:.1f} s | {peak:.2f} | {words} |"


def _table(*names: str) -> str:
    return f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", help="an image folder")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--draws", type=int, default=3, help="batches and weights that labels are told of")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each loop")
    parser.add_argument("--steps", type=int, default=2, help="steps of a run of the loops")
    parser.add_argument("--examples", type=int, default=1, help="examples of a matching step and a profile")
    parts = {
        "labels": (
            _table("network", "batch", "draws", "labels named", "least", "a rule takes"),
            lambda one, network: labels(one.folder, network, one.draws),
        ),
        "step": (
            _table("network", "batch", "pairs", "a step", "over by hand, median", "range", "peak", "by hand", "ratio"),
            lambda one, network: step(one.folder, network, one.pairs, one.examples, one.steps),
        ),
        "profile": (
            _table("network", "batch", "processor", "clock", "peak", "directions carried", "Fisher's spread"),
            lambda one, network: profiled(one.folder, network, one.examples),
        ),
        "analytic": (
            _table("network", "attack", "processor", "peak", "what comes of it"),
            lambda one, network: analytic(one.folder, network),
        ),
    }
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    options = parser.parse_args()
    torch.set_num_threads(1)
    with twice_differentiable():
        for part in options.parts:
            head, rows = parts[part]
            print(head, flush=True)  # noqa: T201
            for network in options.networks:
                for row in rows(options, network):
                    print(row, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

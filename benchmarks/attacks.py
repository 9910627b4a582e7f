"""How much the attacks recover, how fast, and what the loop adds: a Markdown table, from real data drawn by seed.

    python benchmarks/attacks.py [--quick] [--seed N]

No defense; the gradient comes out of a float32 weight difference at learning rate 0.1, as a server sees it. A seed
draws the examples among the clients' and the untrained weights. Seconds are of processor time, on one thread.
"""

import argparse
import copy
import math
import statistics
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

from fedleak.attack import attacks
from fedleak.attacks.parts import distances, optimisers, priors, starts
from fedleak.attacks.parts.matching import Matching
from fedleak.batch import Batch
from fedleak.data import load
from fedleak.observation import Observation
from fedleak.randomness import generator
from fedleak.reconstruction import Reconstruction
from fedleak.tasks import initial_weights, task_named
from fedleak.training import LocalTraining, train_locally
from fedleak.update import Update, UpdateKind

MATCHING = (
    ("inverting-gradients", "photos-convnet", 1, 8),
    ("inverting-gradients", "photos-convnet", 4, 3),
    ("inverting-gradients", "photos-lenet", 1, 20),
    ("dlg", "photos-lenet", 1, 20),
    ("idlg", "photos-lenet", 1, 8),
    ("analytic-linear", "digits-mlp", 1, 20),
    ("analytic-linear", "digits-mlp", 8, 20),
)
COUNTED = ("digits-mlp", "digits-lenet", "photos-lenet", "photos-convnet", "photos-resnet18")
LOOPS = (("photos-lenet", 60), ("photos-convnet", 40), ("photos-resnet18", 4))


def observed(task_name: str, examples: int, seed: int) -> tuple[Observation, Batch]:
    """An observation of one client's single step, and the truth behind it."""
    task, private = task_named(task_name), load(task_name).clients
    batch = private[torch.randperm(len(private), generator=generator("benchmark", task_name, seed))[:examples]]
    before, training = initial_weights(task, seed), LocalTraining(batch_size=examples, learning_rate=0.1)
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


def psnr(guess: Reconstruction, truth: Batch) -> float:
    """Mean PSNR in dB, after matching guesses with the truth; an example that no guess was found for counts 0 dB."""
    if guess.inputs is None:
        return math.nan
    errors = (guess.inputs[:, None] - truth.inputs[None]).square().flatten(2).mean(2).clamp_min(1e-12)
    decibel = -10 * torch.log10(errors)
    rows, columns = linear_sum_assignment(-decibel.numpy())
    return float(decibel[rows, columns].sum()) / len(truth)


def recall(guess: Reconstruction, truth: Batch, classes: int) -> float:
    """Share of the labels that were named, as a multiset."""
    if guess.labels is None:
        return math.nan
    counts = [torch.bincount(labels, minlength=classes) for labels in (guess.labels, truth.labels)]
    return float(torch.minimum(*counts).sum()) / len(truth)


def images(name: str, task: str, examples: int, draws: int, seed: int) -> str:
    """A row: PSNR of an attack over several draws."""
    values, named, seconds = [], [], []
    for draw in range(seed, seed + draws):
        observation, truth = observed(task, examples, draw)
        started = time.process_time()
        guess = attacks.build(name, {}).reconstruct(observation, generator("attack", draw))
        seconds.append(time.process_time() - started)
        values.append(psnr(guess, truth))
        named.append(recall(guess, truth, observation.task.classes))
    figures = f"{statistics.mean(values):.1f} dB | {min(values):.1f} dB | {statistics.mean(named):.3f}"
    return f"| {name} | {task} | {examples} | {draws} | {figures} | {statistics.mean(seconds):.2f} s |"


def counts(name: str, task: str, examples: int, draws: int, public: bool, seed: int) -> str:
    """A row: label recall over several draws, with or without public data."""
    values, seconds = [], []
    for draw in range(seed, seed + draws):
        observation, truth = observed(task, examples, draw)
        pool = load(task).auxiliary
        held = pool[torch.arange(min(256, len(pool)))] if public else None
        started = time.process_time()
        guess = attacks.build(name, {}).reconstruct(observation.with_auxiliary(held), generator("attack", draw))
        seconds.append(time.process_time() - started)
        values.append(recall(guess, truth, observation.task.classes))
    label = f"{name}{', 256 public' if public else ''}"
    figures = f"- | - | {statistics.mean(values):.3f} (worst {min(values):.2f})"
    return f"| {label} | {task} | {examples} | {draws} | {figures} | {statistics.mean(seconds):.2f} s |"


def engine(observation: Observation, truth: Batch, steps: int) -> None:
    """The loop under test."""
    prior, rng = ((0.01, priors.total_variation),), generator("loop")
    loop = Matching(distance=distances.cosine, optimiser=optimisers.signed_adam(0.1), steps=steps, priors=prior)
    loop.run(observation, starts.grey(len(truth), observation.task.shape, rng), truth.labels, rng)


def by_hand(observation: Observation, truth: Batch, steps: int) -> None:
    """The same mathematics written straight down: a double backward and `torch.optim.Adam`."""
    network = copy.deepcopy(observation.task.network).train()
    network.load_state_dict(observation.before.state_dict())
    parameters, target = list(network.parameters()), list(observation.gradient().values())
    length = sum((t * t).sum() for t in target) ** 0.5
    dummy = starts.grey(len(truth), observation.task.shape, generator("loop")).requires_grad_()
    adam = torch.optim.Adam([dummy], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for _ in range(steps):
        loss = F.cross_entropy(network(dummy), truth.labels)
        gradients = torch.autograd.grad(loss, parameters, create_graph=True)
        dot = sum((g * t).sum() for g, t in zip(gradients, target, strict=True))
        norm = sum((g * g).sum() for g in gradients) ** 0.5
        rough = (dummy[..., 1:, :] - dummy[..., :-1, :]).abs().mean() + (dummy[..., 1:] - dummy[..., :-1]).abs().mean()
        (slope,) = torch.autograd.grad(1 - dot / (norm * length) + 0.01 * rough, dummy)
        dummy.grad = slope.sign()
        adam.step()
        schedule.step()
        dummy.data.clamp_(0, 1)


def overhead(task: str, steps: int, pairs: int, seed: int) -> str:
    """A row: processor time of the engine over the hand-written loop, pair by pair in one process."""
    observation, truth = observed(task, 1, seed)
    engine(observation, truth, 2)
    by_hand(observation, truth, 2)

    def seconds(loop: Callable[[Observation, Batch, int], None]) -> float:
        started = time.process_time()
        loop(observation, truth, steps)
        return time.process_time() - started

    ratios, each = [], []
    for _ in range(pairs):
        mine, theirs = seconds(engine), seconds(by_hand)
        ratios.append(mine / theirs)
        each.append(1000 * mine / steps)
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return f"| {task} | {pairs} of {steps} steps | {statistics.median(ratios):.2f} | {spread} | {min(each):.1f} ms |"


def rows(quick: bool, seed: int) -> Iterator[str]:
    """The tables, line by line, as they are measured."""
    share = 5 if quick else 1
    yield "| attack | task | batch | draws | PSNR, mean | worst draw | label recall | mean CPU time |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, task, examples, draws in MATCHING:
        yield images(name, task, examples, max(draws // share, 2), seed)
    for task in COUNTED:
        yield counts("bias-sign", task, 1, 20 // share, False, seed)
        for public in (False, True):
            yield counts("batch-counts", task, 16, 20 // share, public, seed)
    yield "\n| loop | pairs | engine / by hand, median | range | an engine step |"
    yield "|---|---|---|---|---|"
    for task, steps in LOOPS:
        yield overhead(task, steps, 3 if quick else 9, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the draws: one or two minutes")
    parser.add_argument("--seed", type=int, default=0, help="the first seed of the draws")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for row in rows(options.quick, options.seed):
        print(row, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

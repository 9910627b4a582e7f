"""What the matching loop adds to the mathematics: its processor time over that of a double backward written by hand.

    python benchmarks/loop.py [--pairs N] [--compiled]

Both loops match the cosine distance with total variation by signed Adam on one thread, from the same start; a pair of
runs is one ratio, and the order within a pair alternates. `--compiled` adds what `torch.compile` and restarts that
advance together give.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from measuring import Case, observed

from fedleak.attacks.parts.engine import distances, regularizers
from fedleak.attacks.parts.engine.gradient_match import GradientMatch, pixels
from fedleak.attacks.parts.engine.loop import Matching
from fedleak.attacks.parts.optimizers import first_order
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.learning.batch import Batch
from fedleak.randomness import generator

LOOPS = (
    ("photos-lenet", 1, 150),
    ("photos-convnet", 1, 80),
    ("photos-deep-convnet", 4, 12),
    ("photos-resnet18", 1, 10),
)
Loop = Callable[[Observation, Batch, int], object]


def engine(
    observation: Observation, truth: Batch, steps: int, restarts: int = 1, compiled: bool = False
) -> Reconstruction:
    """The loop under test."""
    rng = generator("loop")
    terms = ((0.01, regularizers.variation(observation.task.space)),)
    objective = GradientMatch.of(observation, distances.cosine, pixels(truth.labels), terms=terms)
    begin = [{"inputs": observation.task.space.start(len(truth), rng)} for _ in range(restarts)]
    return Matching(optimizer=first_order.signed_adam(0.1), steps=steps, compiled=compiled).run(objective, begin, rng)


def by_hand(observation: Observation, truth: Batch, steps: int) -> None:
    """The same mathematics written straight down: a double backward and `torch.optim.Adam`."""
    network = copy.deepcopy(observation.task.network).train()
    network.load_state_dict(observation.before.state_dict())
    parameters, target = list(network.parameters()), list(observation.gradient().values())
    length = sum((t * t).sum() for t in target) ** 0.5
    dummy = observation.task.space.start(len(truth), generator("loop")).requires_grad_()
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


def seconds(loop: Loop, observation: Observation, truth: Batch, steps: int) -> float:
    """Processor time of one run."""
    started = time.process_time()
    loop(observation, truth, steps)
    return time.process_time() - started


def overhead(task: str, examples: int, steps: int, pairs: int) -> str:
    """A row: the engine over the hand-written loop, pair by pair in one process."""
    observation, truth = observed(Case(attack="", task=task, examples=examples, draws=1), 0)
    engine(observation, truth, 2)
    by_hand(observation, truth, 2)
    ratios, each = [], []
    for number in range(pairs):
        loops: list[Loop] = [engine, by_hand] if number % 2 else [by_hand, engine]
        took = {loop: seconds(loop, observation, truth, steps) for loop in loops}
        ratios.append(took[engine] / took[by_hand])
        each.append(1000 * took[engine] / steps)
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    setting = f"| {task} | {examples} | {pairs} of {steps} steps "
    return f"{setting}| {statistics.median(ratios):.3f} | {spread} | {min(each):.1f} ms |"


def together(task: str, steps: int, restarts: int, compiled: bool) -> str:
    """A row: restarts that advance together, per restart and step, over as many runs one after the other."""
    observation, truth = observed(Case(attack="", task=task, examples=1, draws=1), 0)

    def run(observation: Observation, truth: Batch, steps: int) -> object:
        return engine(observation, truth, steps, restarts, compiled)

    run(observation, truth, 2)
    alone = restarts * min(seconds(engine, observation, truth, steps) for _ in range(3))
    both = min(seconds(run, observation, truth, steps) for _ in range(3))
    how = "compiled" if compiled else "together"
    return f"| {task} | {restarts} {how} | {steps} | {both / alone:.2f} | {1000 * both / steps / restarts:.2f} ms |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=11, help="runs of each loop")
    parser.add_argument("--compiled", action="store_true", help="also restarts together, and compiled: minutes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| loop | batch | pairs | engine / by hand, median | range | an engine step |\n|---|---|---|---|---|---|")  # noqa: T201
    for task, examples, steps in LOOPS:
        print(overhead(task, examples, steps, options.pairs), flush=True)  # noqa: T201
    if options.compiled:
        print("\n| loop | restarts | steps | time over one after the other | a step of one |\n|---|---|---|---|---|")  # noqa: T201
        for task in ("photos-lenet", "photos-convnet"):
            for restarts, compiled in ((4, False), (8, False), (16, False), (1, True), (8, True)):
                print(together(task, 60, restarts, compiled), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

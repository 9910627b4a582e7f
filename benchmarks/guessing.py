"""Answers that no gradient is behind, scored as if they were attacks: none may be called a leak, none may beat a bound.

`python benchmarks/guessing.py [TASK ...] [--runs 1000] [--metrics psnr]` prints for each answer how often it was called
what, in runs of one to eight seeds with batches of one to four examples drawn at random. The class means are given the
true labels, and the nearest public example is chosen by the truth: an oracle, which may come beyond guessing, but leaks
nothing.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.analysis.bounds import bounds_of
from fedleak.analysis.judgement import Judgement, judge
from fedleak.contracts.metric import Metric, metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.data.splits import Splits, load
from fedleak.evaluation.scoring import score
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.grid import parse_campaign
from fedleak.learning.batch import Batch, class_means
from fedleak.randomness import generator
from fedleak.results.row import Place, Row
from fedleak.statistics.summary import summarize

TASKS = ("digits-mlp", "mnist-mlp", "photos-convnet", "faces-mlp")
HELD = 256
"""Public examples that the adversary holds."""
DRAWS = 2
"""Public examples drawn at random as the second blind guess; a run has more."""
ORACLE = "nearest public (oracle)"
PRIVATE = [{"use": "local-dp", "epsilon": 0.1, "delta": 1e-5, "max_norm": 1.0}]
"""So much noise that no attack can do much better than a blind guess."""


def _color(truth: Batch, held: Batch, rng: Generator) -> Float[Tensor, "batch channels height width"]:
    """One color drawn at random for all: that of a public image, or any."""
    any_color = torch.rand(held.inputs.shape[1], generator=rng)
    public = held.inputs[torch.randint(len(held), (1,), generator=rng)].mean(dim=(0, 2, 3))
    color = public if torch.rand(1, generator=rng) < 0.5 else any_color
    return color[:, None, None].expand_as(truth.inputs)


def _public(truth: Batch, held: Batch, rng: Generator) -> Float[Tensor, "batch channels height width"]:
    """A public example drawn at random for each."""
    return held.inputs[torch.randint(len(held), (len(truth),), generator=rng)]


def _mean(truth: Batch, held: Batch, rng: Generator) -> Float[Tensor, "batch channels height width"]:  # noqa: ARG001
    return held.inputs.mean(0).expand_as(truth.inputs)


def _class_mean(truth: Batch, held: Batch, rng: Generator) -> Float[Tensor, "batch channels height width"]:  # noqa: ARG001
    return class_means(held, truth.labels)


def _nearest(truth: Batch, public: Batch, rng: Generator) -> Float[Tensor, "batch channels height width"]:  # noqa: ARG001
    apart = torch.cdist(truth.inputs.flatten(1), public.inputs.flatten(1))
    return public.inputs[apart.argmin(dim=1)]


ANSWERS: dict[str, Callable[[Batch, Batch, Generator], Tensor]] = {
    "a color": _color,
    "the mean image": _mean,
    "public examples": _public,
    "class means": _class_mean,
    ORACLE: _nearest,
}


@dataclass(frozen=True, kw_only=True)
class Arena:
    """What the runs of one task have in common."""

    task: str
    splits: Splits
    metrics: tuple[Metric, ...]
    campaign: Campaign

    @classmethod
    def of(cls, task: str, names: Sequence[str]) -> "Arena":
        """The arena of a task, judged by these metrics."""
        tree = {
            "name": "guessing", "task": task, "metrics": list(names), "attacks": [{"use": "inverting-gradients"}],
            "defenses": [{"name": "private", "chain": PRIVATE}],
        }  # fmt: skip
        built = tuple(metrics.build(name, {}) for name in names)
        return cls(task=task, splits=load(task), metrics=built, campaign=parse_campaign(tree))

    def rows(self, run: int) -> list[Row]:
        """The rows of a run: each answer to each message."""
        rng = generator("guessing", self.task, run)
        seeds, size = (int(torch.randint(1, most, (1,), generator=rng)) for most in (9, 5))
        held = self.splits.auxiliary[torch.arange(min(HELD, len(self.splits.auxiliary)))]
        return [
            row
            for seed in range(seeds)
            for row in self._message(_drawn(self.splits.clients, size, rng), held, seed, rng)
        ]

    def _message(self, truth: Batch, held: Batch, seed: int, rng: Generator) -> Iterator[Row]:
        prior = Reconstruction(inputs=_mean(truth, held, rng))
        draws = [Reconstruction(inputs=_public(truth, held, rng)) for _ in range(DRAWS)]
        means = Reconstruction(inputs=_class_mean(truth, held, rng))
        for name, answer in ANSWERS.items():
            place = Place(task=self.task, algorithm="inverting-gradients", attack=name, defense="private",
                          client=0, round=1, seed=seed)  # fmt: skip
            known = self.splits.auxiliary if name == ORACLE else held
            guess = Reconstruction(inputs=answer(truth, known, rng))
            scores = score(guess, truth, self.metrics, prior, draws, class_mean=means,
                           public=self.splits.auxiliary, unseen=self.splits.test)  # fmt: skip
            yield from (place.row(one, seconds=0.0, samples=len(truth)) for one in scores)


def _drawn(examples: Batch, count: int, rng: Generator) -> Batch:
    return examples[torch.randperm(len(examples), generator=rng)[:count]]


def called(arena: Arena, runs: int) -> dict[tuple[str, str], Counter[str]]:
    """For each answer and metric how often it was called what, and how often it beat a bound."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for run in range(runs):
        rows = arena.rows(run)
        for summary in summarize(rows):
            key = summary.group.attack, summary.group.metric
            found.setdefault(key, Counter())[judge(summary).value] += 1
        for bound in bounds_of(rows, arena.campaign):
            found[bound.group.attack, bound.group.metric]["beat a bound"] += bound.check.beaten
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--metrics", nargs="+", default=["psnr"])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print("| task | metric | answer | runs | leaked | beyond guessing | beat a bound |\n|---|---|---|---|---|---|---|")  # noqa: T201
    for task in chosen.tasks:
        for (answer, metric), counts in called(Arena.of(task, chosen.metrics), chosen.runs).items():
            figures = (counts[Judgement.LEAKED], counts[Judgement.BEYOND], counts["beat a bound"])
            print(f"| {task} | {metric} | {answer} | {chosen.runs} | {' | '.join(map(str, figures))} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

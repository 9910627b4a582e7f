"""What attackers who know CENSOR or ATS read off one example on fresh weights: a Markdown table, beside guessing.

    python benchmarks/known_defenses.py [--seeds N] [--first N] [--only TASK]

Four clients a seed. `color` is the best single color and `nearest` the nearest public example, both chosen with the
truth in hand; `worst` is the worst of all examples.
"""

import argparse
from collections.abc import Iterable, Sequence

import torch

from fedleak.api import Capture, attack, capture, score
from fedleak.contracts.score import Score

TASKS = {
    "censor": ("photos-convnet", "photos-lenet", "photos-vit", "mnist-lenet", "mnist-wide-mlp", "digits-mlp"),
    "ats": ("photos-convnet", "photos-lenet"),
}
"""The tasks that a defense is attacked on."""
METRICS = ("label-recall", "psnr", "psnr-seen")


def captures(defense: str, task: str, seeds: Iterable[int]) -> list[Capture]:
    """The messages of all clients and seeds."""
    chain = [{"use": defense}]
    return [one for seed in seeds for one in capture(task, clients=4, batch_size=1, seed=seed, defense=chain)]


def row(defense: str, task: str, seeds: Sequence[int]) -> str:
    """A line of the table."""
    messages = captures(defense, task, seeds)
    found = [score(attack(one, "inverting-gradients", seed=i), one, METRICS) for i, one in enumerate(messages)]
    labels, whole, seen = (list(column) for column in zip(*found, strict=True))
    signs = [score(attack(one, "bias-sign"), one, METRICS[:1])[0].value for one in messages]
    read = f"{mean(labels):.3f} of {len(labels)} (sign rule {sum(signs) / len(signs):.3f})"
    beside = (sum(getattr(one, name) for one in whole) / len(whole) for name in BESIDE)
    cells = [f"{mean(whole):.1f}", f"{mean(seen):.1f}, worst {min(one.value for one in seen):.1f}"]
    return f"| {defense} | {task} | {read} | {' | '.join([*cells, *(f'{value:.1f}' for value in beside)])} |"


BESIDE = ("baseline", "class_mean", "single_color", "nearest_public")


def mean(scores: Sequence[Score]) -> float:
    """Over all messages."""
    return sum(one.value for one in scores) / len(scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=100)
    parser.add_argument("--only", default="", help="only tasks whose name contains this")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(options.first, options.first + options.seeds)
    print("| defense | task | labels | psnr | psnr-seen | prior | class mean | color | nearest |")  # noqa: T201
    print("|---|---|---|---|---|---|---|---|---|")  # noqa: T201
    for defense, tasks in TASKS.items():
        for task in tasks:
            if options.only in task:
                print(row(defense, task, seeds), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

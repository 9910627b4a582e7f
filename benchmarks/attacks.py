"""How much the attacks recover and how fast, beside what is asked of them: a Markdown table, from real data by seed.

    python benchmarks/attacks.py [--quick] [--seed N] [--only WORDS] [--sets --data FOLDER]

No defense; the gradient comes out of a float32 weight difference at learning rate 0.1, as a server sees it. A seed
draws the examples among the clients' and the untrained weights. Seconds are of processor time, on one thread. A draw
without a guess has no figure: it is counted beside the mean, which is over the others. With `--sets` another table:
one attack on four networks at batch sizes 1, 4 and 8, on tiles of photographs and on CIFAR-10's test images beside.
"""

import argparse
import math
import resource
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import torch
from measuring import Case, Draw, accuracy, draws_of, trained
from sets import found_in, register_sets

Figure = Callable[[Draw], float]
FEDAVG = {"batch_size": 4, "batches": 2, "epochs": 5}
SLOWLY = {**FEDAVG, "learning_rate": 0.02}
"""At a rate at which ten steps stay near the weights that were sent; at 0.1 they do not."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the table: a case, what is asked of it, and what figure shows it."""

    asked: str
    figure: Figure
    unit: str
    case: Case


def share_at_20(draw: Draw) -> float:
    """Share of the images that were matched at 20 dB or more."""
    return statistics.mean(value >= 20 for value in draw.psnr)


def error(draw: Draw) -> float:
    return draw.error


def mean_psnr(draw: Draw) -> float:
    return draw.mean


def recall(draw: Draw) -> float:
    return draw.recall


def images(asked: str, attack: str, task: str, examples: int, draws: int, **case: object) -> Line:
    """A line in dB."""
    given = Case(attack=attack, task=task, examples=examples, draws=draws, **case)  # type: ignore[arg-type]
    return Line(asked=asked, figure=mean_psnr, unit="dB", case=given)


def counts(asked: str, task: str, examples: int, draws: int = 20, **case: object) -> Line:
    """A line of label recall."""
    given = Case(attack="auto-labels", task=task, examples=examples, draws=draws, **case)  # type: ignore[arg-type]
    return Line(asked=asked, figure=recall, unit="", case=given)


LINES = (
    images("35 dB in 19 of 20, mean under 4 s", "dlg", "photos-lenet", 1, 20),
    images("mean 40 dB, under 2 s", "inverting-gradients", "photos-lenet", 1, 20),
    images("", "idlg", "photos-lenet", 1, 20),
    images("32 dB in 4 s", "inverting-gradients", "photos-convnet", 1, 20),
    images("", "inverting-gradients", "photos-convnet", 4, 10),
    images("24 dB in 16 s", "inverting-gradients", "photos-deep-convnet", 4, 10),
    images("44 dB, under 30 s and 1 GB", "r-gap", "photos-cnn6", 1, 10),
    Line(
        asked="below 1e-5, certified, 10 of 10, under 60 s",
        figure=error,
        unit="relative error",
        case=Case(attack="spear", task="photos-wide-mlp", examples=8, draws=10),
    ),
    Line(
        asked="80% of images at 20 dB",
        figure=share_at_20,
        unit="of images at 20 dB",
        case=Case(attack="cocktail-party", task="photos-wide-mlp", examples=32, draws=10),
    ),
    images("", "april", "photos-vit", 1, 10),
    images("", "analytic-linear", "digits-mlp", 1, 20),
    images("", "analytic-linear", "digits-mlp", 8, 20),
    counts("1", "photos-convnet", 1),
    counts(".93", "photos-lenet", 16),
    counts(".99", "photos-convnet", 16),
    counts(".95", "photos-resnet18", 16, 10),
    counts(".99", "digits-mlp", 16),
    counts(".75", "digits-mlp", 32, epochs=20, public=256),
    counts(".75", "photos-convnet", 32, epochs=15, public=256),
    images("", "inverting-gradients", "photos-convnet", 8, 5, training=FEDAVG),
    images("3 dB more than matching one gradient", "surrogate-model", "photos-convnet", 8, 5, training=FEDAVG),
    images("", "inverting-gradients", "photos-convnet", 8, 5, training=SLOWLY),
    images("3 dB more than matching one gradient", "surrogate-model", "photos-convnet", 8, 5, training=SLOWLY),
)


def across_sets(data: Path | None) -> tuple[Line, ...]:
    """Inverting-gradients by network and batch size, on tiles and on CIFAR-10 one below the other."""
    return tuple(
        images("", "inverting-gradients", found_in(f"{source}-{network}", data), examples, 5)
        for network in ("lenet", "convnet", "deep-convnet", "resnet18")
        for examples in (1, 4, 8)
        for source in ("photos", "cifar10")
    )


def row(line: Line, seed: int, data: Path | None) -> str:
    """The line as measured, in a process of its own so that its memory can be told."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        draws, peak = pool.submit(measured, line.case, seed, data).result()
    values = [value for draw in draws if not math.isnan(value := line.figure(draw))]
    labels = line.figure is recall
    return (
        "| "
        + " | ".join(
            (
                line.case.attack,
                line.case.setting + trained_to(line.case, seed),
                line.asked or "-",
                figures(values, line.unit, labels or line.unit == "of images at 20 dB"),
                passing(line, draws),
                f"{statistics.mean(draw.prior_recall if labels else draw.prior for draw in draws):.3g}",
                f"{statistics.mean(d.seconds for d in draws):.2f} s, at most {max(d.seconds for d in draws):.2f} s",
                f"{peak:.0f} MB",
            )
        )
        + " |"
    )


def measured(case: Case, seed: int, data: Path | None) -> tuple[list[Draw], float]:
    """The draws, and the most memory that this process held, in megabytes."""
    torch.set_num_threads(1)
    register(data)
    draws = draws_of(case, seed)
    return draws, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def register(data: Path | None) -> None:
    """Makes what is in the folder of `--data` known to this process."""
    if data is not None:
        register_sets(data)


def figures(values: Sequence[float], unit: str, high_is_share: bool) -> str:
    """Mean and worst of the draws that have a figure."""
    if not values:
        return "no guess"
    shape = ".3f" if high_is_share else ".1e" if unit == "relative error" else ".1f"
    worst = max(values) if unit == "relative error" else min(values)
    return f"{statistics.mean(values):{shape}} {unit}, worst {worst:{shape}}".replace("  ", " ")


def passing(line: Line, draws: Sequence[Draw]) -> str:
    """How many draws had a guess, were proved, and, for DLG's line, reached 35 dB."""
    guessed = sum(not draw.failure for draw in draws)
    words = [f"{guessed} of {len(draws)}"]
    if any(draw.certified for draw in draws):
        words.append(f"{sum(draw.certified for draw in draws)} certified")
    if line.unit == "dB":
        words.append(f"{sum(draw.mean >= 35 for draw in draws)} at 35 dB")
    return ", ".join(words)


def trained_to(case: Case, seed: int) -> str:
    """The accuracy that the first draw's model has on test examples, where it was trained."""
    return f" (test accuracy {accuracy(case.task, trained(case.task, case.epochs, seed)):.2f})" if case.epochs else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the draws: some minutes")
    parser.add_argument("--seed", type=int, default=0, help="the first seed of the draws")
    parser.add_argument("--only", default="", help="only lines whose attack or setting contains this")
    parser.add_argument("--sets", action="store_true", help="the table over networks, batch sizes and sets instead")
    parser.add_argument("--data", type=Path, help="folder with CIFAR-10 as JPEG files; torchvision's cache otherwise")
    options = parser.parse_args()
    torch.set_num_threads(1)
    register(options.data)
    print("| attack | setting | asked | measured | guesses | prior | processor time | process |")  # noqa: T201
    print("|---|---|---|---|---|---|---|---|")  # noqa: T201
    for line in across_sets(options.data) if options.sets else LINES:
        if options.only in f"{line.case.attack} {line.case.setting}":
            fewer = replace(line.case, draws=max(line.case.draws // 5, 2)) if options.quick else line.case
            print(row(replace(line, case=fewer), options.seed, options.data), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

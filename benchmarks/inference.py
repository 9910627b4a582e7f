"""What an update tells of its examples without rebuilding them: membership, source, properties, as Markdown tables.

    python benchmarks/inference.py [--seeds N] [--first SEED] [--only TABLE]

Real federations on real data, no defense, the attacks' default options. A seed draws the weights, the clients and their
examples. A 95% interval stands in brackets: of means over seeds as everywhere in fedleak, of areas over messages by the
bootstrap. "beyond" says whether guessing would hardly do as well. Seconds are of processor time, on one thread.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import bootstrap
from sklearn.metrics import roc_auc_score

from fedleak.api import Capture, attack, capture, score
from fedleak.contracts.properties import CATALOGUE, of_most
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.results.row import Place, Row
from fedleak.statistics.summary import Summary, summarize

Table = dict[str, Any]

TASKS = ("photos-convnet", "mnist-lenet")
TRAINED: Table = {"trained_rounds": 5}
SETTINGS: dict[str, tuple[Table, Table]] = {
    "1 example": ({"batch_size": 1}, {}),
    "8": ({"batch_size": 8}, {}),
    "32": ({"batch_size": 32}, {}),
    "8, trained model": ({"batch_size": 8}, TRAINED),
    "4 x 8, 5 epochs": ({"batch_size": 8, "batches": 4, "epochs": 5}, {}),
}
ATTACKS: dict[str, tuple[str, Table]] = {
    "update-cosine": ("update-cosine", {}),
    "the same, not whitened": ("update-cosine", {"whiten": False}),
    "loss-trajectory": ("loss-trajectory", {}),
}
ROUNDS: dict[str, Table] = {
    "whole share, 3 rounds of 3 epochs": {"batch_size": 8, "batches": "all", "epochs": 3, "rounds": 3, "clients": 20},
    "4 x 8 new ones, 3 rounds of 3 epochs": {"batch_size": 8, "batches": 4, "epochs": 3, "rounds": 3, "clients": 20},
}
ATTACKED = 2
"""Messages of a federation that are attacked, where that is slow; all are recorded."""
QUESTIONS = (("photos-lenet", 1, 16), ("photos-lenet", 8, 40), ("photos-lenet", 32, 16), ("mnist-lenet", 1, 16))
"""Task, examples, clients."""
NEGATIVES = 100
"""Messages without a property that a false positive rate of 1% needs."""


def rows_of(captured: Capture, guess: Reconstruction, label: str, task: str, seed: int, who: int) -> list[Row]:
    """What the tool would enter into its results."""
    place = Place(task=task, algorithm=label, attack=label, defense="none", client=who, round=1, seed=seed)
    scores = score(guess, captured)
    return [place.row(one, seconds=0.0, samples=len(captured.truth)) for one in scores]


def within_class(captured: Capture, guess: Reconstruction) -> list[float]:
    """As `membership-auc`, but each member only among non-members of its class: without what labels alone tell."""
    challenge = captured.challenge
    assert challenge is not None
    assert guess.membership is not None
    labels, scores = challenge.candidates.labels, guess.membership
    placed = []
    for member in challenge.members:
        same = challenge.non_members[labels[challenge.non_members] == labels[member]]
        if len(same):
            below, tied = scores[same] < scores[member], scores[same] == scores[member]
            placed.append(float(below.float().mean() + tied.float().mean() / 2))
    return placed


def figure(rows: Sequence[Row], metric: str) -> str:
    """Mean, interval, and whether it is beyond guessing."""
    (summary,) = (one for one in summarize(rows) if one.group.metric == metric)
    return f"{summary.mean:.3f} [{summary.interval.low:.3f}, {summary.interval.high:.3f}]{_mark(summary)}"


def _mark(summary: Summary) -> str:
    return "" if summary.beats_guessing else ", not beyond guessing"


def membership(seeds: Sequence[int]) -> Iterator[str]:
    """Who was there? By batch size, training and attack."""
    yield "| task | examples | attack | AUC (prior .500) | TPR at 1% FPR (prior .010) | AUC within class | CPU s |"
    yield "|---|---|---|---|---|---|---|"
    for task in TASKS:
        for setting, (federation, model) in SETTINGS.items():
            captures = {seed: capture(task, seed=seed, model=model, **federation)[:ATTACKED] for seed in seeds}
            for label, (name, options) in ATTACKS.items():
                yield f"| {task} | {setting} | {label} | {_asked(captures, task, label, name, options)} |"


def trajectories(seeds: Sequence[int]) -> Iterator[str]:
    """Who was there, where a client's last of several messages is attacked?"""
    yield "\n| task | examples | attack | AUC (prior .500) | TPR at 1% FPR (prior .010) | AUC within class | CPU s |"
    yield "|---|---|---|---|---|---|---|"
    task = "mnist-lenet"
    for setting, federation in ROUNDS.items():
        captures = {seed: _last_round(capture(task, seed=seed, **federation))[:ATTACKED] for seed in seeds}
        for label, name in (("loss-trajectory", "loss-trajectory"), ("update-cosine", "update-cosine")):
            yield f"| {task} | {setting} | {label} | {_asked(captures, task, label, name, {})} |"


def _last_round(captures: Sequence[Capture]) -> list[Capture]:
    last = max(one.observation.round for one in captures)
    return [one for one in captures if one.observation.round == last]


def _asked(captures: dict[int, list[Capture]], task: str, label: str, name: str, options: Table) -> str:
    rows: list[Row] = []
    inside: list[float] = []
    started = time.process_time()
    for seed, own in captures.items():
        for who, one in enumerate(own):
            guess = attack(one, name, **options)
            rows += rows_of(one, guess, label, task, seed, who)
            inside += within_class(one, guess)
    seconds = (time.process_time() - started) / sum(map(len, captures.values()))
    found = f"{figure(rows, 'membership-auc')} | {figure(rows, 'membership-tpr')}"
    return f"{found} | {np.mean(inside):.3f} | {seconds:.1f}"


def source(seeds: Sequence[int]) -> Iterator[str]:
    """Whose is it? Also the share of a client's examples whose loss its own update lowers most."""
    yield "\n| task | examples | AUC against other clients' (prior .500) | taken for the right one of 4 (prior .250) |"
    yield "|---|---|---|---|"
    for task in TASKS:
        for setting, (federation, model) in SETTINGS.items():
            rows: list[Row] = []
            right: list[float] = []
            for seed in seeds:
                captures = capture(task, seed=seed, clients=4, model=model, **federation)[:ATTACKED]
                for who, one in enumerate(captures):
                    guess, challenge = attack(one, "source-inference"), one.challenge
                    rows += rows_of(one, guess, "source-inference", task, seed, who)
                    assert guess.membership is not None
                    assert challenge is not None
                    right.append(float((guess.membership[challenge.members] > 0).float().mean()))
            by_seed = np.array(right).reshape(len(seeds), -1).mean(1)
            yield f"| {task} | {setting} | {figure(rows, 'source-auc')} | {_mean(by_seed)} |"


def _mean(values: np.ndarray) -> str:
    found = bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    return f"{values.mean():.3f} [{found.low:.3f}, {found.high:.3f}]"


def properties(seeds: Sequence[int]) -> Iterator[str]:
    """Do most images have it? One answer a message, so areas are over messages."""
    yield "\n| task | examples | property | yes | AUC (prior .500) | TPR at 1% FPR | accuracy (prior) |"
    yield "|---|---|---|---|---|---|---|"
    for task, examples, clients in QUESTIONS:
        answers, truths, priors = [], [], []
        for seed in seeds:
            for one in capture(task, seed=seed, clients=clients, batch_size=examples):
                guess = attack(one, "property-inference")
                assert guess.properties is not None
                answers.append(guess.properties.numpy())
                truths.append(of_most(one.truth.inputs).numpy())
                priors.append(score(guess, one, ["property-accuracy"])[0].prior_per_sample)
        for place, question in enumerate(CATALOGUE):
            yes, own, blind = (np.array(column)[:, place] for column in (truths, answers, priors))
            if not np.isnan(yes).any():
                yield f"| {task} | {examples} | {question.name} | {_answered(yes, own, blind)} |"


def _answered(yes: np.ndarray, own: np.ndarray, blind: np.ndarray) -> str:
    hits = f"{np.mean((own > 0.5) == (yes > 0.5)):.3f} ({blind.mean():.3f})"
    few, count = min(yes.sum(), (1 - yes).sum()), f"{yes.sum():.0f} of {len(yes)}"
    if few < 5:  # or a bootstrap sample would often have none of them
        return f"{count} | too few of one answer | - | {hits}"
    draws = bootstrap(
        (own, yes), _area, paired=True, vectorized=False, n_resamples=2000, method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    mark = "" if draws.low > 0.5 else ", not beyond guessing"
    area = f"{_area(own, yes):.3f} [{draws.low:.3f}, {draws.high:.3f}]{mark}"
    return f"{count} | {area} | {_rate(own, yes)} | {hits}"


def _area(own: np.ndarray, yes: np.ndarray) -> float:
    return float(roc_auc_score(yes, own)) if 0 < yes.sum() < len(yes) else 0.5


def _rate(own: np.ndarray, yes: np.ndarray) -> str:
    negatives = np.sort(own[yes == 0])[::-1]
    if len(negatives) < NEGATIVES:
        return f"- (needs {NEGATIVES} messages without it)"
    limit = negatives[int(0.01 * len(negatives)) - 1]
    return f"{np.mean(own[yes == 1] >= limit):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many; five or more for intervals over seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--only", choices=[one.__name__ for one in TABLES], help="one of the tables")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(options.first, options.first + options.seeds)
    for table in TABLES:
        if options.only in (None, table.__name__):
            for row in table(seeds):
                print(row, flush=True)  # noqa: T201


TABLES = (membership, trajectories, source, properties)

if __name__ == "__main__":
    main()

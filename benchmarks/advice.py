"""How often `fedleak advise` names a defense that leaks some photos whole.

    python benchmarks/advice.py [RUNS]

Each run is a federation of so many seeds, clients and batches; a photo that leaks has 40 dB and the others 8 dB, the
limit is 15 dB, and two attackers who know the defense each get the photos that leak. Leaks come alone, by message or by
seed. A defense that leaks nothing is beside them: what the seeds at hand can show.
"""

import sys
from collections.abc import Iterator
from itertools import product

import numpy as np

from fedleak.accounting.guarantee import Unproven
from fedleak.analysis.advice import Candidate, Limits, advise
from fedleak.analysis.conditions import Condition
from fedleak.analysis.defenses import DefenseResult
from fedleak.analysis.operating_point import Figure, OperatingPoint
from fedleak.contracts.chain import Chain
from fedleak.contracts.score import Score
from fedleak.defenses.top_k import TopK
from fedleak.results.row import Place, Row
from fedleak.statistics.group import group_rows
from fedleak.statistics.summary import summarize

CHANCES = (0.0, 0.05, 0.1)
SEEDS, SHAPES = (3, 5, 10, 30, 60, 100), ((1, 1), (2, 4))
"""Shapes: clients and examples of a batch."""
TOGETHER = ("alone", "by message", "by seed")
LIMITS = Limits(max_leak=15.0)
UNKNOWN = Figure.of({})
NOWHERE = OperatingPoint(differs="", attacked="round 1", rounds=(), rising=0)


def leaks(dice: np.random.Generator, chance: float, together: str, shape: tuple[int, int, int]) -> np.ndarray:
    """Which photos leak, by seed, client and place in the batch."""
    seeds, clients, batch = shape
    drawn = {"alone": shape, "by message": (seeds, clients, 1), "by seed": (seeds, 1, 1)}[together]
    return np.broadcast_to(dice.random(drawn) < chance, (seeds, clients, batch))


def rows(leaked: np.ndarray, attack: str) -> Iterator[Row]:
    """The figures of one attacker."""
    for seed, client in product(*map(range, leaked.shape[:2])):
        found = tuple(np.where(leaked[seed, client], 40.0, 8.0).tolist())
        score = Score(
            metric="psnr", value=float(np.mean(found)), unit="dB", higher_is_better=True, baseline=10.0,
            no_access=9.0, best=max(found), worst=min(found), per_sample=found, prior_per_sample=(10.0,) * len(found),
        )  # fmt: skip
        place = Place(
            task="digits-mlp", algorithm="dlg", attack=attack, defense="sparse", client=client, round=1, seed=seed
        )
        yield place.row(score, seconds=0.0, samples=len(found))


def named(leaked: np.ndarray) -> bool:
    """Whether the defense is named."""
    found = [row for attack in ("dlg", "other") for row in rows(leaked, attack)]
    groups = group_rows(found)
    summaries = SUMMARIES.get(leaked.shape) or SUMMARIES.setdefault(leaked.shape, tuple(summarize(found)))
    result = DefenseResult(
        condition=Condition(task="digits-mlp"), defense="sparse", chain=Chain((TopK(fraction=0.1),)),
        attackers=summaries, informed=summaries, plain=None, adaptive=summaries[0], knowing=None,
        accuracy=UNKNOWN, broken=0, trivial=UNKNOWN, operating_point=NOWHERE,
        sent=UNKNOWN, encoded=UNKNOWN, seconds=UNKNOWN, memory=UNKNOWN,
        guarantee=Unproven(reason="simulated"), whole=Unproven(reason="simulated"), bound=None,
    )  # fmt: skip
    return bool(advise([Candidate.of(result, groups, summaries, LIMITS)], LIMITS).named)


SUMMARIES: dict[tuple[int, ...], tuple] = {}
"""Of a run of each shape: advice asks them for nothing but their groups, and they take most of the time."""


def main(runs: int) -> None:
    """Prints how often a defense is named, for each chance and form of leaks."""
    heads = "".join(f"{f'{chance:g} {form}':>16}" for chance in CHANCES[1:] for form in TOGETHER)
    print(f"{'seeds':>6}{'clients':>8}{'batch':>6}{'clean':>8}{heads}")  # noqa: T201
    for seeds, (clients, batch) in product(SEEDS, SHAPES):
        dice, shape = np.random.default_rng([seeds, clients, batch]), (seeds, clients, batch)
        clean = named(leaks(dice, 0.0, "alone", shape))
        shares = [
            np.mean([named(leaks(dice, chance, form, shape)) for _ in range(runs)])
            for chance in CHANCES[1:]
            for form in TOGETHER
        ]
        print(f"{seeds:>6}{clients:>8}{batch:>6}{clean!s:>8}" + "".join(f"{one:>16.3f}" for one in shares))  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)

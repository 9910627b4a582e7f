"""Type I error of every test and coverage of every interval that is reported, on data that are not kind.

    python benchmarks/coverage.py [RUNS]

A sample is normal, log-normal, or "one in ten": 0 but for one in ten that is 1 or 30 more. Each line is for one number
of units; with 2,000 runs a figure of .05 or .95 has a standard error of .005, of the tests half of that. Where the
interval of a mean holds it less than 95 times in 100, its method says what it assumes; of equal units without bounds
there is none, which is counted too.
"""

import sys
from collections.abc import Callable, Sequence

import numpy as np

from fedleak.contracts.score import Score
from fedleak.results.row import Place, Row
from fedleak.statistics.correlation import spearman
from fedleak.statistics.gain import more_hits_than_guessing
from fedleak.statistics.intervals import Interval, Units, of_mean
from fedleak.statistics.paired_tests import sign_flip_test, sign_test
from fedleak.statistics.quantiles import ranks
from fedleak.statistics.samples import share_interval, share_limit
from fedleak.statistics.summary import summarize

COUNTS = (3, 4, 5, 6, 8, 10, 14, 20, 30)
FEW = (3, 5, 10, 30)
"""Where a run takes a millisecond."""
MANY = (10, 28, 40, 60, 100)
"""From 29 units on a share of .1 can be above its upper limit."""
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
MEANS = {"normal": 0.0, "log-normal": np.exp(0.5), "1 in ten": 0.1, "30 in ten": 3.0}
DRAWS: dict[str, Draw] = {
    "normal": lambda dice, shape: dice.normal(size=shape),
    "log-normal": lambda dice, shape: dice.lognormal(size=shape),
    "1 in ten": lambda dice, shape: 1.0 * (dice.random(shape) < 0.1),
    "30 in ten": lambda dice, shape: 30.0 * (dice.random(shape) < 0.1),
}


def messages(values: Sequence[float]) -> Units:
    """Units of one message each."""
    return Units.of([*map(float, values)], range(len(values)), clusters=1)


def row(values: Sequence[float], *, seed: int, guess: float = 50.0) -> Row:
    """A row of samples by PSNR, which has bounds at 0 and 100."""
    place = Place(task="digits-mlp", algorithm="dlg", attack="dlg", defense="none", client=0, round=1, seed=seed)
    found = [*map(float, values)]
    score = Score(
        metric="psnr", value=float(np.mean(found)), unit="dB", higher_is_better=True, baseline=guess, no_access=guess,
        best=max(found), worst=min(found), per_sample=tuple(found), prior_per_sample=(guess,) * len(found),
    )  # fmt: skip
    return place.row(score, seconds=0.0, samples=len(found))


def holds(interval: Interval, truth: float) -> float:
    """Whether it holds the truth; NaN where there is no interval."""
    return np.nan if np.isnan(interval.low) else float(interval.low <= truth <= interval.high)


def table(title: str, columns: dict[str, Callable[[int], float]], counts: Sequence[int] = COUNTS) -> None:
    """A line for each number of units."""
    print(f"\n{title}\n{'units':>6}" + "".join(f"{name:>20}" for name in columns))  # noqa: T201
    for count in counts:
        print(f"{count:>6}" + "".join(f"{figure(count):>20.3f}" for figure in columns.values()))  # noqa: T201


def share(found: Sequence[float]) -> float:
    """The share of those that are known."""
    known = [value for value in found if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


class Runs:
    """So many draws of everything."""

    def __init__(self, runs: int) -> None:
        self.runs = runs

    def drawn(self, kind: str, *shape: int) -> np.ndarray:
        """Runs of this kind and shape; the same each time."""
        return DRAWS[kind](np.random.default_rng([len(kind), *shape]), (self.runs, *shape))

    def rejects(self, test: Callable[[Units], float], kind: str, count: int) -> float:
        """How often two columns that do not differ are found to."""
        pairs = DRAWS[kind](np.random.default_rng(count), (4 * self.runs, 2, count))
        return share([test(messages(one - other)) <= 0.05 for one, other in pairs])

    def beats(self, kind: str, sign: float, count: int) -> float:
        """How often gains whose mean is 0 are found to beat guessing; the kind as it is, or mirrored."""
        gains = sign * (self.drawn(kind, count) - MEANS[kind])
        runs = [[row([50 + gain], seed=seed) for seed, gain in enumerate(own)] for own in gains]
        return share([summarize(rows)[0].beats_guessing is True for rows in runs])

    def lucky(self, chance: float, known: bool, count: int) -> float:
        """How often labels that are hit as often as by guessing are found to be read; the chance is known, or seen."""
        dice = np.random.default_rng(count)
        hits, guesses = 1.0 * (dice.random((2, self.runs, count)) < chance)
        guesses = np.full_like(guesses, chance) if known else guesses
        return share([more_hits_than_guessing(*pair) is True for pair in zip(hits, guesses, strict=True)])

    def mean_held(self, kind: str, count: int) -> float:
        """Coverage of the mean."""
        return share([holds(of_mean(messages(own)), MEANS[kind]) for own in self.drawn(kind, count)])

    def mean_given(self, kind: str, count: int) -> float:
        """How often there is an interval of the mean."""
        return share([float(not np.isnan(of_mean(messages(own)).low)) for own in self.drawn(kind, count)])

    def share_held(self, batch: int, together: float, count: int) -> float:
        """Coverage of a share of .1 by samples of messages; `together` is how alike those of one message are."""
        hits = self._hits(batch, together, count)
        return share([holds(share_interval(own, [batch] * count, range(count)), 0.1) for own in hits])

    def limit_held(self, batch: int, together: float, count: int) -> float:
        """How often the upper limit that advice goes by is above a share of .1."""
        hits = self._hits(batch, together, count)
        return share([float(share_limit(own, [batch] * count, range(count)) >= 0.1) for own in hits])

    def _hits(self, batch: int, together: float, count: int) -> list[list[int]]:
        dice = np.random.default_rng([batch, count])
        size = 1 / together - 1
        chances = dice.beta(0.1 * size, 0.9 * size, size=(self.runs, count))
        return [own.tolist() for own in dice.binomial(batch, chances)]

    def percentile_held(self, percentile: float, kind: str, count: int) -> float:
        """Coverage of a percentile by the ranks of its interval; beyond the outermost value lies the metric's bound."""
        truth = float(np.quantile(DRAWS[kind](np.random.default_rng(0), (1_000_000,)), percentile / 100))
        ends = np.full((self.runs, 1), np.inf)
        ordered = np.hstack([-ends, np.sort(self.drawn(kind, count)), ends])
        lower, upper = ranks(count, percentile / 100)
        return float(((ordered[:, lower] <= truth) & (truth <= ordered[:, upper])).mean())

    def rho_held(self, kind: str, count: int) -> float:
        """Coverage of the rank correlation of independent columns, which is 0."""
        noisy = self.drawn(kind, 2, count)[: self.runs // 4]
        return share([holds(spearman(x, y, range(count), "message").interval, 0.0) for x, y in noisy])


def main(runs: int) -> None:
    """Prints all tables."""
    made = Runs(runs)
    for title, test in (("sign-flip test", sign_flip_test), ("sign test", sign_test)):
        table(
            f"type I error at .05, {title} of pairs that do not differ",
            {kind: lambda count, k=kind, t=test: made.rejects(t, k, count) for kind in DRAWS},
        )
    table(
        "beats guessing, though gains have mean 0 (- mirrored: a rare large loss)",
        {
            f"{'- ' if sign < 0 else ''}{kind}": lambda count, k=kind, s=sign: made.beats(k, s, count)
            for sign in (1.0, -1.0)
            for kind in ("normal", "log-normal", "30 in ten")
            if sign > 0 or kind != "normal"
        },
        FEW,
    )
    table(
        "labels read beyond guessing, though hit as often: the chance of guessing is known, or seen in as many guesses",
        {
            f"{'known' if known else 'seen'} {chance}": lambda count, c=chance, k=known: made.lucky(c, k, count)
            for known in (True, False)
            for chance in (0.1, 0.3)
        },
    )
    table("coverage of means", {kind: lambda count, k=kind: made.mean_held(k, count) for kind in DRAWS})
    table("a mean has an interval", {kind: lambda count, k=kind: made.mean_given(k, count) for kind in DRAWS})
    cases = ((1, 0.5), (8, 0.01), (8, 0.5), (8, 0.99))
    for title, held, counts in (
        ("coverage of shares", made.share_held, COUNTS),
        ("upper limit of shares", made.limit_held, MANY),
    ):
        table(
            f"{title}; samples a message, and how alike they are",
            {f"{batch}, {alike}": lambda count, b=batch, a=alike, h=held: h(b, a, count) for batch, alike in cases},
            counts,
        )
    for percentile in (50.0, 95.0):
        table(
            f"coverage of p{percentile:.0f}",
            {kind: lambda count, k=kind, p=percentile: made.percentile_held(p, k, count) for kind in DRAWS},
        )
    table(
        "coverage of a rank correlation of 0 (a quarter of the runs)",
        {kind: lambda count, k=kind: made.rho_held(k, count) for kind in ("normal", "log-normal")},
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)

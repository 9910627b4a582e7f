"""Thresholds of checks: what no more than a share of honest models of a seed that nobody has seen is above.

Models of one seed are alike: its clients are sent one model a round, kinds of training begin with the same weights, and
those move little from round to round. So what counts is how many seeds there are, and not how many models.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fedleak.analysis.rarity import Figures, Values, rarity, seed_of_model, table_of
from fedleak.errors import ConfigError
from fedleak.experiment.campaign import Campaign
from fedleak.results.check_row import CheckRow
from fedleak.settings.task import TaskSettings

ROUNDING = 1e-9


def seeds_for(rate: float) -> int:
    """How many seeds a threshold at a rate of false alarms takes: of fewer even the highest model is passed more often.

    One of `n` + 1 seeds that are alike is the highest, and it is the one that is judged once in `n` + 1 times.
    """
    return math.ceil((1 - rate) / rate - ROUNDING)


def least_rate(seeds: int) -> float:
    """The least rate that so many seeds are enough for; 1 where there are none."""
    return 1 / (seeds + 1)


def require_enough(campaign: Campaign, rate: float) -> None:
    """Raises `ConfigError` where thresholds at a rate of false alarms take honest rounds of more seeds than there are.

    Those of `[calibration]` set them; where there is none each seed's are set on the others. More clients or rounds of
    a seed are no help.
    """
    honest: dict[tuple[TaskSettings, str], set[int]] = {}
    for point in (point for point in campaign.points if point.experiment.server.honest):
        honest.setdefault((point.experiment.task, point.split), set()).add(point.experiment.seed)
    for one in (point.experiment for point in campaign.points if not point.experiment.server.honest):
        seeds = honest.get((one.task, "calibration")) or honest.get((one.task, "test"), set()) - {one.seed}
        if len(seeds) < seeds_for(rate):
            raise ConfigError(
                f"--false-alarms {rate:g}: a threshold takes honest rounds of {seeds_for(rate)} seeds beside the one "
                f"that is judged, and there are {len(seeds)}; clients and rounds of one seed have much the same model, "
                f"so add [calibration] with seeds = {seeds_for(rate)}, or raise the rate"
            )


@dataclass(frozen=True)
class Usual:
    """Honest models by their figures, a seed each: what others are compared with."""

    seeds: tuple[object, ...]
    table: Figures

    @classmethod
    def of(cls, rows: Sequence[CheckRow], statistics: Sequence[str]) -> "Usual":
        """Those that have some of these figures."""
        models, table = table_of(rows, statistics)
        return cls(tuple(map(seed_of_model, models)), table)

    @property
    def different(self) -> int:
        """How many seeds there are."""
        return len(set(self.seeds))

    def rarity(self, table: Figures) -> Values:
        """How rare other models are among these; see `rarity`."""
        return rarity(table, self.table)

    def threshold(self, rate: float) -> float:
        """The least rarity that models of another seed are above with no more than that probability.

        Seeds count alike, and the one that is judged is one more, which may be above them all: Lee, Barber, Willett,
        "Distribution-free inference with hierarchical data", https://arxiv.org/abs/2306.06342. Each is compared with
        the others, as the one that is judged will be. With fewer seeds than `seeds_for` it is the highest there is.
        """
        order = np.argsort(self._left_out)
        below = np.cumsum(self._weights[order])
        place = int(np.searchsorted(below, (1 - rate) * (1 + 1 / self.different) - ROUNDING))
        return float(self._left_out[order[min(place, len(order) - 1)]])

    @cached_property
    def _weights(self) -> Values:
        """Of each model: all models of a seed weigh as much as those of another."""
        _, places, counts = np.unique(np.array(self.seeds), return_inverse=True, return_counts=True)
        return np.asarray(1 / (len(counts) * counts[places]), dtype=np.float64)

    @cached_property
    def _left_out(self) -> Values:
        """The rarity of each among those of the other seeds; where there is one seed, among its own."""
        seeds, scores = np.array(self.seeds), np.zeros(len(self.seeds))
        if self.different == 1:
            return self.rarity(self.table)
        for seed in dict.fromkeys(self.seeds):
            own = seeds == seed
            scores[own] = rarity(
                {name: values[own] for name, values in self.table.items()},
                {name: values[~own] for name, values in self.table.items()},
            )
        return scores

"""Rarity: how unusual the figures of a received model are among those of honest models."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from fedleak.results.check_row import CheckRow

Values = Float64[np.ndarray, " _"]
Figures = Mapping[str, Values]
"""By statistic, of the same models in the same order; NaN where a model has no such figure."""
Model = tuple[object, ...]
"""A model as one client received it: federation, seed, round, client."""


def model_of(row: CheckRow) -> Model:
    """Which model a row is about."""
    return row.federation, row.seed, row.round, row.client


def seed_of_model(model: Model) -> object:
    """The seed of its federation, which all that is drawn in it follows from."""
    return model[1]


def table_of(rows: Sequence[CheckRow], statistics: Sequence[str]) -> tuple[list[Model], dict[str, Values]]:
    """The models that have one of these figures at least, in the order of the rows, and the figures."""
    kept = [row for row in rows if row.statistic in statistics and np.isfinite(row.value)]
    places = {model: place for place, model in enumerate(dict.fromkeys(map(model_of, kept)))}
    table = {name: np.full(len(places), np.nan) for name in statistics}
    for row in kept:
        table[row.statistic][places[model_of(row)]] = row.value
    return list(places), table


def rarity(table: Figures, usual: Figures) -> Values:
    """How rare each model is among the usual ones, by its rarest figure: from 0 to 1, and a little above beyond all.

    A figure that no usual model has says nothing.
    """
    scores = np.zeros(len(next(iter(table.values()))))
    for name, values in table.items():
        known = np.sort(usual[name][np.isfinite(usual[name])])
        if not len(known):
            continue
        rank = np.searchsorted(known, values, side="left") / len(known)
        beyond = np.maximum(values - known[-1], 0.0) / (abs(known[-1]) + 1.0)
        scores = np.maximum(scores, np.where(np.isfinite(values), rank + beyond, 0.0))
    return scores

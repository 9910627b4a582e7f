"""Examples of the site: no piece of an update may look like one of them."""

from collections.abc import Iterator
from functools import lru_cache
from math import atanh, sqrt, tanh
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedleak.errors import ConfigError, first_line
from fedleak.guard.arrays import Pair
from fedleak.guard.journal import Refused, figure
from fedleak.guard.policy import Examples
from fedleak.guard.required import reference

Floats = NDArray[np.float32]
SHADOW = 48
"""Random coordinates of a shadow."""
DEVIATIONS = 5.0
"""How far the correlation of two shadows may be off, in its usual deviations: once in some millions it is further."""
NEARLY_ONE = 1 - 1e-9
"""What a limit of 1 is taken for, whose inverse hyperbolic tangent is infinite."""
FLAT = 1e-12
"""The square of a norm below which a row is constant."""


class Known:
    """The site's examples as directions, and as shadows of these that are looked through first.

    A shadow has a few random coordinates. Directions with a correlation of r have shadows with one whose inverse
    hyperbolic tangent is that of r, within 1 / sqrt(coordinates - 3) or so (Fisher's transformation).
    """

    def __init__(self, directions: Floats) -> None:
        self.directions, self.size = directions, directions.shape[1]
        self._projection = np.random.default_rng(0).normal(size=(self.size, SHADOW)).astype(np.float32)
        # Every row is less its mean, so that the projection may be too: rows need not be copied for it.
        self._projection -= self._projection.mean(axis=0)
        self._shadows = _unit(directions @ self._projection)

    def closest(self, rows: Floats, limit: float) -> float:
        """The largest correlation of a row with an example, of any sign; exact where it may be above the limit."""
        if self.size <= SHADOW:
            return float(_largest(directions_of(rows) @ self.directions.T).max(initial=0))
        shadows = _unit(rows @ self._projection)
        near = _largest(shadows @ self._shadows.T)
        bound = tanh(atanh(min(limit, NEARLY_ONE)) - DEVIATIONS / sqrt(SHADOW - 3))
        doubtful = ~(near < bound)
        return float(_largest(directions_of(rows[doubtful]) @ self.directions.T).max(initial=0))


@lru_cache(maxsize=8)
def examples_of(source: str) -> Known:
    """The site's examples; raises `ConfigError` where there are none."""
    try:
        arrays = _read(source)
        rows = np.concatenate([np.asarray(array).reshape(len(array), -1) for array in arrays]).astype(np.float32)
    except ConfigError:
        raise
    except Exception as error:  # whatever a site's own module or file makes of it
        raise ConfigError(
            f"no examples in {source}: {first_line(error)}; it holds arrays of one example a row"
        ) from error
    found = directions_of(rows)
    if not found.size or not np.isfinite(found).all():
        raise ConfigError(f"no examples in {source}: expected rows of finite values that are not all the same")
    return Known(found)


def _read(source: str) -> list[Any]:
    if source.endswith(".npz"):
        with np.load(Path(source), allow_pickle=False) as file:
            return [file[name] for name in file.files if file[name].ndim > 1]
    found = reference(source)
    return [found() if callable(found) else found]


def hold(pairs: list[Pair], rules: Examples) -> None:
    """Raises `Refused` where weights, or what they changed by, have a piece that correlates with an example."""
    known = examples_of(rules.source)
    rests = []
    for pair in pairs:
        for array in (pair.difference, pair.after):
            for rows in pieces(array, known.size):
                _hold(pair.name, rows, known, rules)
        whole = pair.difference.size // known.size * known.size
        rests.append(pair.difference.ravel()[whole:])
    rest = np.concatenate(rests) if rests else np.zeros(0)
    for rows in pieces(rest, known.size):
        _hold("all arrays together", rows, known, rules)


def _hold(name: str, rows: Floats, known: Known, rules: Examples) -> None:
    closest = known.closest(rows, rules.max_correlation)
    if not closest <= rules.max_correlation:
        reason = f"a piece of '{name}' correlates with an example of the site by {figure(closest)}"
        raise Refused("examples.max_correlation", f"{reason}, at most {figure(rules.max_correlation)} may")


def pieces(array: NDArray[Any], size: int) -> Iterator[Floats]:
    """Rows of the size of an example: what each output has, what each input has, and one piece after the other."""
    if array.size < size:
        return
    whole = array.size // size * size
    yield array.ravel()[:whole].reshape(-1, size).astype(np.float32, copy=False)
    if array.ndim > 1 and array.size == array.shape[-1] * size:
        yield np.ascontiguousarray(array.reshape(size, -1).T, dtype=np.float32)


def directions_of(rows: Floats) -> Floats:
    """Rows less their mean, of norm 1, without those that are constant."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    return _unit(centred[np.einsum("ij,ij->i", centred, centred) > FLAT])


def _largest(correlations: Floats) -> Floats:
    """The largest of each row, of any sign."""
    largest, smallest = correlations.max(axis=1, initial=0), correlations.min(axis=1, initial=0)
    found: Floats = np.maximum(largest, -smallest)
    return found


def _unit(rows: Floats) -> Floats:
    """Rows of norm 1; one of zeros stays."""
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    norms[norms == 0] = 1
    unit: Floats = rows / norms[:, None]
    return unit

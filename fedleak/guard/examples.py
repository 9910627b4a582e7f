"""Examples of the site: no piece of an update may look like one of them."""

from collections.abc import Iterator
from functools import lru_cache
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
FLAT = 1e-12
"""The square of a norm below which a row is constant."""


@lru_cache(maxsize=8)
def examples_of(source: str) -> Floats:
    """The site's examples as rows without mean and of norm 1; raises `ConfigError` where there are none."""
    try:
        arrays = _read(source)
        rows = np.concatenate([np.asarray(array).reshape(len(array), -1) for array in arrays]).astype(np.float32)
    except ConfigError:
        raise
    except Exception as error:  # whatever a site's own module or file makes of it
        raise ConfigError(
            f"no examples in {source}: {first_line(error)}; it holds arrays of one example a row"
        ) from error
    found = _directions(rows)
    if not found.size or not np.isfinite(found).all():
        raise ConfigError(f"no examples in {source}: expected rows of finite values that are not all the same")
    return found


def _read(source: str) -> list[Any]:
    if source.endswith(".npz"):
        with np.load(Path(source), allow_pickle=False) as file:
            return [file[name] for name in file.files if file[name].ndim > 1]
    found = reference(source)
    return [found() if callable(found) else found]


def hold(pairs: list[Pair], rules: Examples) -> None:
    """Raises `Refused` where weights, or what they changed by, have a piece that correlates with an example."""
    examples = examples_of(rules.source)
    changes = [pair.difference(np.float32) for pair in pairs]
    looked = [(pair.name, array) for pair, change in zip(pairs, changes, strict=True) for array in (change, pair.after)]
    if len(changes) > 1:
        looked.append(("all arrays together", np.concatenate([change.ravel() for change in changes])))
    for name, array in looked:
        for rows in pieces(array.astype(np.float32), examples.shape[1]):
            closest = float(np.abs(_directions(rows) @ examples.T).max(initial=0))
            if not closest <= rules.max_correlation:
                reason = f"a piece of '{name}' correlates with an example of the site by {figure(closest)}"
                raise Refused("examples.max_correlation", f"{reason}, at most {figure(rules.max_correlation)} may")


def pieces(array: Floats, size: int) -> Iterator[Floats]:
    """Rows of the size of an example: what each output has, what each input has, and one piece after the other."""
    if array.size < size:
        return
    whole = array.size // size * size
    yield array.ravel()[:whole].reshape(-1, size)
    if array.ndim > 1 and array.size == array.shape[-1] * size:
        yield array.reshape(size, -1).T


def _directions(rows: Floats) -> Floats:
    """Rows less their mean, of norm 1, without those that are constant."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    squares = np.einsum("ij,ij->i", centred, centred)
    kept = squares > FLAT
    directions: Floats = centred[kept] / np.sqrt(squares[kept])[:, None]
    return directions

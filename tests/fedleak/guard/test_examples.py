"""Pieces of an update that look like an example of the site are seen, as far as the guide says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedleak.errors import ConfigError
from fedleak.guard.arrays import Pair
from fedleak.guard.examples import examples_of, hold
from fedleak.guard.journal import Refused
from fedleak.guard.policy import Examples

from .conftest import PIXELS

OWN = [PIXELS.reshape(-1, 1, 8, 8)]


def own() -> Any:
    return OWN[0]


RULES = Examples(source=f"{__name__}:own", max_correlation=0.9)
DICE = np.random.default_rng(0)


def held(before: Any, after: Any, rules: Examples | None = None) -> None:
    pairs = [Pair("bias", np.zeros(3, np.float32), np.ones(3, np.float32)), Pair("weight", before, after)]
    hold(pairs, rules or site_rules())


def site_rules() -> Examples:
    examples_of.cache_clear()
    return RULES


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """This file under a name that can be imported."""
    import sys
    import types

    module = types.ModuleType("site_of_the_tests")
    module.__dict__["own"] = own
    monkeypatch.setitem(sys.modules, "site_of_the_tests", module)
    monkeypatch.setattr(f"{__name__}.RULES", RULES.model_copy(update={"source": "site_of_the_tests:own"}))


SHAPES = {
    "a neuron's weights": lambda: (DICE.normal(size=(5, 64)).astype(np.float32), (2, slice(None))),
    "an input-first layer": lambda: (DICE.normal(size=(64, 5)).astype(np.float32), (slice(None), 2)),
    "the beginning of another layer": lambda: (DICE.normal(size=(10, 16)).astype(np.float32).ravel(), slice(64, 128)),
}


@pytest.mark.parametrize("place", SHAPES)
@pytest.mark.parametrize("scale", [1.0, -0.03, 1e-4])
@pytest.mark.parametrize("what", ["weights", "change"])
def test_a_copy_is_seen_whatever_its_brightness_and_contrast(place: str, scale: float, what: str) -> None:
    before, where = SHAPES[place]()
    after = before + DICE.normal(0, 1e-3, before.shape).astype(np.float32)
    example = scale * PIXELS[17] + 0.2
    after[where] = example if what == "weights" else before[where] + np.float32(100) * example
    with pytest.raises(Refused, match=r"a piece of 'weight' correlates with an example of the site by 1, "):
        held(before, after)


@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_among_many_large_examples_none_is_missed(tmp_path: Path, offset: float) -> None:
    """Where rows are looked through by their shadows first: exact just above the limit, and quiet below it."""
    images = DICE.random((500, 784), dtype=np.float32)
    np.savez(tmp_path / "examples.npz", images=images)
    rules = Examples(source=str(tmp_path / "examples.npz"), max_correlation=0.9)
    before = DICE.normal(0, 0.05, (128, 784)).astype(np.float32)
    centred = images - images.mean(axis=1, keepdims=True)
    noise = DICE.normal(0, float(centred.std()), centred.shape)
    for row, part in enumerate((0.40, 0.43)):  # correlations of about .93 and .92
        mixed = (offset + 0.01 * (centred[row] + part * noise[row])).astype(np.float32)
        with pytest.raises(Refused, match=r"correlates with an example of the site by 0\.9"):
            held(before, np.vstack([before[:77], mixed[None], before[78:]]), rules)
    held(
        before,
        np.vstack([before[:77], (0.01 * (centred[3] + 0.6 * noise[3])).astype(np.float32)[None], before[78:]]),
        rules,
    )


def test_a_sum_of_many_is_no_copy() -> None:
    before = DICE.normal(size=(5, 64)).astype(np.float32)
    held(before, before + DICE.normal(size=(5, 40)).astype(np.float32) @ (PIXELS - 0.5))


def test_a_copy_over_several_arrays_is_seen() -> None:
    example = PIXELS[3] - 0.5
    parts = [example[:20], example[20:50], example[50:]]
    pairs = [Pair(str(n), np.zeros(len(part), np.float32), part) for n, part in enumerate(parts)]
    with pytest.raises(Refused, match="a piece of 'all arrays together' correlates"):
        hold(pairs, site_rules())


def test_a_copy_in_another_order_is_not_seen() -> None:
    """As the guide says: the rule is against copies, not against codes."""
    before = np.zeros((5, 64), np.float32)
    after = before.copy()
    after[2] = PIXELS[17][np.random.default_rng(1).permutation(64)]
    held(before, after)


def test_small_and_constant_arrays_have_no_copies() -> None:
    held(np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32))
    held(np.zeros((2, 64), np.float32), np.ones((2, 64), np.float32))


@pytest.mark.parametrize("source", ["gone.npz", "text.npz", "empty.npz", "no_such_module:own", "json:dumps"])
def test_without_examples_there_is_a_mistake_in_the_policy(tmp_path: Path, source: str) -> None:
    (tmp_path / "text.npz").write_text("no arrays")
    np.savez(tmp_path / "empty.npz", constant=np.ones((3, 4)))
    path = str(tmp_path / source) if source.endswith("npz") else source
    with pytest.raises(ConfigError, match=r"no examples in|cannot import"):
        examples_of(path)

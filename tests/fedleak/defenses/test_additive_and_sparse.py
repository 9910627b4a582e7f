"""Laws of the defenses that act on the update alone."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator


def update_of(size: int, seed: int = 0) -> Update:
    values = torch.randn(size, generator=generator(seed))
    return Update({"a": values[: size // 2].reshape(-1, 1), "b": values[size // 2 :]}, UpdateKind.DELTA)


def applied(name: str, update: Update, **options: float) -> torch.Tensor:
    return defenses.build(name, options).protect(update, generator(0)).vector()


@given(st.integers(2, 300), st.floats(1e-3, 1e3))
def test_a_clipped_update_is_no_longer_than_its_bound_and_keeps_its_direction(size: int, bound: float) -> None:
    update = update_of(size)
    clipped = applied("clipping", update, max_norm=bound)
    assert clipped.norm() <= bound * (1 + 1e-5)
    assert torch.cosine_similarity(clipped, update.vector(), dim=0) > 1 - 1e-5


def test_infinite_clip_and_no_noise_leave_the_update_alone() -> None:
    update = update_of(40)
    for name, options in [
        ("clipping", {"max_norm": math.inf}),
        ("gaussian-noise", {"std": 0.0}),
        ("laplace-noise", {"scale": 0.0}),
        ("top-k", {"fraction": 1.0}),
    ]:
        assert torch.equal(applied(name, update, **options), update.vector()), name


def test_clipping_a_zero_update_gives_zeros() -> None:
    zeros = Update({"a": torch.zeros(3)}, UpdateKind.DELTA)
    assert torch.equal(applied("clipping", zeros, max_norm=1.0), torch.zeros(3))


def test_noise_has_the_stated_standard_deviation() -> None:
    update = update_of(200_000)
    gaussian = applied("gaussian-noise", update, std=0.3) - update.vector()
    laplace = applied("laplace-noise", update, scale=0.3) - update.vector()
    assert gaussian.std() == pytest.approx(0.3, rel=0.01)
    assert laplace.std() == pytest.approx(0.3 * math.sqrt(2), rel=0.01)
    assert laplace.abs().mean() == pytest.approx(0.3, rel=0.01)
    assert abs(float(laplace.mean())) < 0.005


@given(st.integers(2, 200), st.floats(0.01, 1))
def test_top_k_keeps_the_largest_entries_exactly(size: int, fraction: float) -> None:
    vector = update_of(size).vector()
    sparse = applied("top-k", update_of(size), fraction=fraction)
    kept = sparse != 0
    assert kept.sum() == math.ceil(fraction * size)
    assert torch.equal(sparse[kept], vector[kept])
    if not kept.all():
        assert vector[kept].abs().min() >= vector[~kept].abs().max()


def test_a_chain_applies_its_parts_in_order() -> None:
    tables = ({"use": "clipping", "max_norm": 0.5}, {"use": "gaussian-noise", "std": 0.1})
    clip, noise = Chain.build(tables)
    update = update_of(30)
    together = Chain((clip, noise)).protect(update, generator(1)).vector()
    one_by_one = noise.protect(clip.protect(update, generator(1)), generator(1)).vector()
    assert torch.equal(together, one_by_one)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"use": "clipping", "max_norm": -1.0}, "chain.0.max_norm: expected greater than 0, got -1.0"),
        ({"use": "clipping"}, "chain.0: defense 'clipping' needs max_norm"),
        ({"use": "cliping", "max_norm": 1.0}, "chain.0.use: no defense is called 'cliping'; did you mean 'clipping'?"),
        (
            {"use": "top-k", "fractoin": 0.1},
            "chain.0.fractoin: unknown field of defense 'top-k'; did you mean 'fraction'?",
        ),
        ({"use": "top-k", "fraction": "ten"}, "chain.0.fraction: expected a valid number, got 'ten'"),
        ({"use": "gaussian-noise", "std": math.nan}, "chain.0.std: expected a finite number, got nan"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(table: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Chain.build((table,))
    assert str(caught.value) == sentence


def test_masking_must_come_last() -> None:
    with pytest.raises(ConfigError, match="once and last"):
        Chain.build(({"use": "secure-aggregation"}, {"use": "clipping", "max_norm": 1.0}))


def test_every_defense_is_a_defense() -> None:
    assert all(issubclass(cls, Defense) for cls in defenses)

"""Laws of random sparsification."""

from math import ceil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedleak.api import capture
from fedleak.attacks.label_inference.bias_sign import BiasSign
from fedleak.contracts.chain import Chain
from fedleak.defenses.random_k import RandomK
from fedleak.errors import ConfigError
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator


def update_of(size: int, seed: int = 0) -> Update:
    values = torch.randn(size, generator=generator(seed))
    return Update({"a": values[: size // 2].reshape(-1, 1), "b": values[size // 2 :]}, UpdateKind.DELTA)


@given(st.integers(2, 200), st.floats(0.01, 1), st.integers(0, 99))
def test_it_keeps_as_many_entries_as_it_says_and_each_as_it_is(size: int, fraction: float, seed: int) -> None:
    vector = update_of(size).vector()
    sent = RandomK(fraction=fraction).protect(update_of(size), generator(seed)).vector()
    kept = sent != 0
    assert kept.sum() == ceil(fraction * size)
    assert torch.equal(sent[kept], vector[kept])


@pytest.mark.slow
def test_scaled_its_mean_over_the_dice_is_the_update() -> None:
    update, draws = update_of(40), 4000
    defense = RandomK(fraction=0.25, scaled=True)
    total = sum(defense.protect(update, generator(seed)).vector() for seed in range(draws))
    # Of one entry v the variance over the dice is v² (1 / share - 1).
    error = (total / draws - update.vector()).abs()
    assert (error <= 5 * update.vector().abs() * (3 / draws) ** 0.5).all()


@pytest.mark.slow
def test_unscaled_its_mean_is_what_it_says_is_expected() -> None:
    update, draws = update_of(40), 4000
    defense = RandomK(fraction=0.25)
    mean = sum(defense.protect(update, generator(seed)).vector() for seed in range(draws)) / draws
    assert torch.allclose(mean, defense.relaxed(update).vector(), atol=0.1)
    assert torch.equal(RandomK(fraction=0.25, scaled=True).relaxed(update).vector(), update.vector())


def test_other_dice_keep_other_entries() -> None:
    one, two = (RandomK(fraction=0.5).protect(update_of(100), generator(seed)).vector() != 0 for seed in (0, 1))
    assert not torch.equal(one, two)


def test_the_mask_says_which_entries_were_sent() -> None:
    update = update_of(50)
    defense = RandomK(fraction=0.3, scaled=True)
    sent = defense.protect(update, generator(0))
    masks = defense.observed_mask(sent)
    factor = 50 / 15
    for name, mask in masks.items():
        assert torch.allclose(sent.tensors[name][mask], factor * update.tensors[name][mask])
        assert not sent.tensors[name][~mask].any()
    assert sum(int(mask.sum()) for mask in masks.values()) == 15


def test_an_impossible_share_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"chain.0.fraction: expected greater than 0, got 0.0"):
        Chain.build(({"use": "random-k", "fraction": 0.0},))


def test_the_label_of_one_example_is_told_though_its_own_entry_of_the_bias_was_not_sent() -> None:
    chain = [{"use": "random-k", "fraction": 0.1}]
    for seed in range(5):
        seen = capture("digits-lenet", defense=chain, seed=seed, clients=1)[0]
        assert torch.equal(BiasSign().infer(seen.observation, generator(seed)), seen.truth.labels)

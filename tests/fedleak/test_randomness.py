"""Same words, same draw; different words, independent draws; the global dice stay where they were."""

import random

import torch

from fedleak.randomness import generator, seed_of, seeded


def test_the_words_decide() -> None:
    assert torch.equal(torch.rand(3, generator=generator(1, "a")), torch.rand(3, generator=generator(1, "a")))
    assert seed_of(1, "a") != seed_of(1, "b") != seed_of("1", "b")
    assert seed_of(1, 23) != seed_of(12, 3)
    assert 0 <= seed_of() < 2**63


def test_the_global_dice_are_put_back() -> None:
    torch_state, python_state = torch.random.get_rng_state(), random.getstate()
    draws = []
    for _ in range(2):
        with seeded(4, "x"):
            draws.append((float(torch.rand(())), random.random()))
    assert draws[0] == draws[1]
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert random.getstate() == python_state

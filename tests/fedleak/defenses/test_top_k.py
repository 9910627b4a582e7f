"""Laws of top-k that are the attacker's; those of what is sent stand in `test_additive_and_sparse`."""

import torch

from fedleak.defenses.top_k import TopK
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator

VALUES = torch.randn(50, generator=generator(0))
UPDATE = Update({"a": VALUES[:30].reshape(5, 6), "b": VALUES[30:]}, UpdateKind.DELTA)


def test_the_mask_says_which_entries_are_exact() -> None:
    defense = TopK(fraction=0.2)
    sent = defense.protect(UPDATE, generator(0))
    masks = defense.observed_mask(sent)
    assert sum(int(mask.sum()) for mask in masks.values()) == 10
    for name, mask in masks.items():
        assert torch.equal(sent.tensors[name], UPDATE.tensors[name] * mask)


def test_where_there_was_room_for_more_zeros_are_exact_too() -> None:
    given = UPDATE.with_vector(torch.where(torch.arange(50) < 5, VALUES, 0.0))
    masks = TopK(fraction=0.2).observed_mask(TopK(fraction=0.2).protect(given, generator(0)))
    assert all(mask.all() for mask in masks.values())


def test_what_is_expected_is_what_is_sent_and_can_be_differentiated() -> None:
    defense = TopK(fraction=0.2)
    given = UPDATE.with_vector(UPDATE.vector().requires_grad_())
    expected = defense.relaxed(given)
    assert torch.equal(expected.vector(), defense.protect(UPDATE, generator(0)).vector())
    slope = torch.autograd.grad(expected.vector().sum(), given.tensors["a"])[0]
    assert torch.equal(slope != 0, defense.observed_mask(expected)["a"])


def test_zeros_stay_zeros() -> None:
    zeros = UPDATE.with_vector(torch.zeros(50))
    assert not TopK(fraction=0.2).protect(zeros, generator(0)).vector().any()

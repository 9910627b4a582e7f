"""Images that show the same at different places are laid over each other."""

import torch

from fedleak.attacks.parts.engine.consistency import best_shifts, distances_when_registered, registered
from fedleak.randomness import generator


def images() -> torch.Tensor:
    return torch.rand(2, 3, 10, 12, generator=generator("images"))


def test_a_moved_image_is_moved_back():
    reference = images()
    moved = torch.stack([reference[0].roll((2, -3), (1, 2)), reference[1].roll((-1, 0), (1, 2))])
    assert best_shifts(moved, reference, 4).tolist() == [[-2, 3], [1, 0]]
    assert torch.equal(registered(moved, reference, 4), reference)


def test_an_image_stays_where_it_is_where_nothing_is_better():
    assert best_shifts(images(), images(), 4).tolist() == [[0, 0], [0, 0]]
    flat = torch.full((1, 1, 6, 6), 0.5)
    assert best_shifts(flat, flat, 2).tolist() == [[0, 0]]


def test_no_move_is_longer_than_the_reach():
    reference = images()
    assert best_shifts(reference.roll((4, 4), (2, 3)), reference, 2).abs().max() <= 2
    assert best_shifts(torch.rand(1, 1, 1, 1), torch.rand(1, 1, 1, 1), 4).tolist() == [[0, 0]]


def test_distances_are_those_of_the_registered_pairs():
    reference, moved = images(), images().roll((1, 2), (2, 3))
    told = distances_when_registered(moved, reference, 3)
    assert torch.allclose(told.diagonal(), torch.zeros(2), atol=1e-3)
    by_hand = (reference[0] - registered(moved[1:], reference[:1], 3)[0]).square().sum()
    assert torch.allclose(told[0, 1], by_hand, rtol=1e-3)

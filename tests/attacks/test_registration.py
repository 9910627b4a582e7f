"""Images that show the same at different places are laid over each other."""

import torch

from fedleak.attacks.parts.registration import best_shifts, registered
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

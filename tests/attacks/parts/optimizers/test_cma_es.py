"""CMA-ES reaches the bottom of a narrow valley."""

import torch

from fedleak.attacks.parts.optimizers.cma_es import cma_es
from fedleak.randomness import generator


def test_cma_es_reaches_the_bottom_of_a_narrow_valley():
    scales = torch.tensor([1.0, 30.0, 1000.0]).double()
    trajectory = cma_es(generator(0))(torch.ones(3).double(), 150)
    _, point = next(trajectory)
    losses = []
    try:
        while True:
            losses.append((scales * (point - 0.3).square()).sum())
            _, point = trajectory.send((losses[-1], torch.zeros(3).double()))
    except StopIteration:
        assert min(losses) < 1e-10

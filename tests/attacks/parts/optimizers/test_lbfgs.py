"""L-BFGS against the function of Rosenbrock."""

import contextlib

import torch

from fedleak.attacks.parts.optimizers.lbfgs import lbfgs


def test_lbfgs_solves_rosenbrock():
    way = lbfgs(magnification=1.0)(torch.tensor([-1.2, 1.0], dtype=torch.float64), 100)
    _, asked = next(way)
    with contextlib.suppress(StopIteration):
        while True:
            point = asked.detach().requires_grad_()
            loss = (1 - point[0]) ** 2 + 100 * (point[1] - point[0] ** 2) ** 2
            _, asked = way.send((loss.detach(), *torch.autograd.grad(loss, point)))
    assert torch.allclose(point.detach(), torch.ones(2, dtype=torch.float64), atol=1e-6)

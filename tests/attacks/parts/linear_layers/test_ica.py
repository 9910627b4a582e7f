"""Rows that were mixed are told apart where they are not Gaussian."""

import numpy as np
import pytest
import torch

from fedleak.attacks.parts.linear_layers.ica import ROUNDS, SETTLED, SHARP, fixed_point, independent, whiten
from fedleak.randomness import generator


def laplace(rows, samples, rng):
    """Sparse independent rows."""
    shape = (2, rows, samples)
    one, other = -torch.rand(shape, generator=rng, dtype=torch.float64).log()
    return one - other


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_sparse_rows_are_unmixed_up_to_order_and_scale(rows):
    for seed in range(3):
        rng = generator("mixed", seed)
        sources = laplace(rows, 4000, rng)
        mixing = torch.randn(rows, rows, generator=rng, dtype=torch.float64)
        whole = (independent(mixing @ sources, rng) @ mixing).abs()
        shares = whole / whole.amax(1, keepdim=True)
        assert sorted(shares.argmax(1).tolist()) == list(range(rows))
        assert (shares.sum(1) - 1).max() <= 0.1 * (rows - 1)


def test_the_mixing_does_not_matter():
    """The sources come out the same whatever they were mixed by, but for order and sign."""
    sources = laplace(3, 4000, generator("sources"))
    found = []
    for seed in range(2):
        mixing = torch.randn(3, 3, generator=generator("mixing", seed), dtype=torch.float64)
        found.append(independent(mixing @ sources, generator(0)) @ mixing @ sources)
    alike = torch.corrcoef(torch.cat(found))[:3, 3:].abs()
    assert alike.amax(1).min() > 1 - 1e-6


@pytest.mark.parametrize("rows", [1, 2, 8])
def test_the_first_stage_is_scikit_learn_s_fastica(rows):
    """The same rotation from the same start, with the same contrast."""
    from sklearn.decomposition import fastica

    def contrast(sources):
        slope = np.tanh(SHARP * sources)
        return slope, (SHARP * (1 - slope**2)).mean(1)

    sources = laplace(rows, 3000, generator("fastica", rows))
    white = whiten(sources) @ sources
    start = torch.randn(rows, rows, generator=generator(0), dtype=torch.float64)
    how = {"max_iter": ROUNDS, "tol": SETTLED, "w_init": start.numpy(), "compute_sources": False}
    _, theirs, _ = fastica(white.T.numpy(), whiten=False, fun=contrast, **how)
    assert torch.allclose(fixed_point(white, generator(0)), torch.from_numpy(theirs), rtol=0, atol=1e-9)


def test_whitened_rows_are_uncorrelated_and_of_variance_one():
    samples = torch.randn(4, 50, generator=generator("samples"), dtype=torch.float64).cumsum(0)
    white = whiten(samples) @ samples
    assert torch.allclose(white @ white.T / 50, torch.eye(4, dtype=torch.float64), atol=1e-9)

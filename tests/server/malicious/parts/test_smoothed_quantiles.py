"""Smoothed quantiles: those of the distribution that the values are drawn from."""

import numpy as np
import pytest
import torch
from scipy.stats import gaussian_kde, norm

from fedleak.randomness import generator
from fedleak.server.malicious.parts.smoothed_quantiles import silverman_width, smoothed_quantiles


def test_of_normal_values_they_are_near_those_of_the_normal_distribution() -> None:
    values = torch.randn(2000, generator=generator("normal"), dtype=torch.float64)
    levels = torch.linspace(0.02, 0.98, 25, dtype=torch.float64)
    assert np.abs(smoothed_quantiles(values, levels).numpy() - norm.ppf(levels.numpy())).max() < 0.15


def test_they_are_those_of_a_kernel_estimate_of_somebody_else() -> None:
    values = torch.rand(60, generator=generator("uniform"), dtype=torch.float64)
    known = values.numpy()
    theirs = gaussian_kde(known, bw_method=silverman_width(known) / known.std(ddof=1))
    for level in (0.1, 0.5, 0.77):
        found = float(smoothed_quantiles(values, torch.tensor([level], dtype=torch.float64)))
        assert theirs.integrate_box_1d(-np.inf, found) == pytest.approx(level, abs=1e-5)


def test_values_that_are_all_the_same_have_one_quantile() -> None:
    found = smoothed_quantiles(
        torch.full((5,), 3.0, dtype=torch.float64), torch.tensor([0.1, 0.9], dtype=torch.float64)
    )
    assert torch.allclose(found, torch.full((2,), 3.0, dtype=torch.float64))

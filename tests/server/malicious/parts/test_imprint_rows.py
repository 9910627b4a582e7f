"""Rows of an imprint: edges at quantiles, and numbers that tell two examples from one."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
import torch
from scipy.stats import gaussian_kde, norm

from fedleak.errors import ConfigError
from fedleak.gradients.imprint import ImprintLayer
from fedleak.randomness import generator
from fedleak.server.malicious.parts.imprint_rows import (
    Planting,
    bin_edges,
    cohort_examples,
    silverman_width,
    smoothed_quantiles,
    two_sided,
)
from fedleak.settings.federation import FederationSettings

MODULE = ImprintLayer(weight="w", bias="b", behind="o", sparse=True)


def test_edges_ascend_and_leave_half_a_bin_beyond_each_end() -> None:
    seen = torch.rand(5000, generator=generator("seen"), dtype=torch.float64)
    edges = bin_edges(seen, 9)
    assert len(edges) == 10
    assert (edges.diff() > 0).all()
    assert float((seen < edges[0]).double().mean()) == pytest.approx(0.05, abs=0.015)
    assert float((seen > edges[-1]).double().mean()) == pytest.approx(0.05, abs=0.015)


def test_bins_for_one_of_many_are_in_the_middle() -> None:
    seen = torch.rand(5000, generator=generator("seen"), dtype=torch.float64)
    edges = bin_edges(seen, 2, expected=100)
    assert float(edges.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(edges[2] - edges[0]) == pytest.approx(0.02, rel=0.2)
    assert torch.equal(bin_edges(seen, 9, expected=5), bin_edges(seen, 9))


def test_all_rows_together_add_the_shift_at_the_end() -> None:
    edges = torch.linspace(0.0, 1.0, 5, dtype=torch.float64)
    for sparse in (True, False):
        layer = ImprintLayer(weight="w", bias="b", behind="o", sparse=sparse)
        planting = Planting(layer=layer, direction=torch.ones(1).double(), edges=edges, gain=1e-3, shift=0.1)
        made = planting.in_module()
        given = (made["w"][:, 0] * 1.0 + made["b"]).clamp(min=0.0, max=1e-3 if sparse else None)
        assert float(made["o"][0].double() @ given) == pytest.approx(0.1 if sparse else 0.1 * 2.5 / 4)


def test_examples_are_counted_or_it_is_said_why_they_cannot_be() -> None:
    federation = FederationSettings(clients=4, batch_size=8, batches=3)
    assert cohort_examples(federation) == 96
    assert cohort_examples(federation, 2) == 48
    with pytest.raises(ConfigError, match="batches"):
        cohort_examples(FederationSettings(batches="all"))


@pytest.mark.parametrize("count", [2, 7, 10])
def test_two_never_add_up_to_one(count: int) -> None:
    numbers = two_sided(count, generator("two"))
    assert ((numbers.abs() > 1) & (numbers.abs() < 2)).all()
    for one, other in combinations_with_replacement(numbers.tolist(), 2):
        assert not 1 < abs(one + other) < 2


def test_smoothed_quantiles_of_normal_values_are_near_those_of_the_normal_distribution() -> None:
    values = torch.randn(2000, generator=generator("normal"), dtype=torch.float64)
    levels = torch.linspace(0.02, 0.98, 25, dtype=torch.float64)
    assert np.abs(smoothed_quantiles(values, levels).numpy() - norm.ppf(levels.numpy())).max() < 0.15


def test_smoothed_quantiles_are_those_of_a_kernel_estimate_of_somebody_else() -> None:
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

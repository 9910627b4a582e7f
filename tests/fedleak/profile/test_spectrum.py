"""Singular values against those that linear algebra finds in the dense matrix."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, svds

from fedleak.profile.jacobian import Jacobian
from fedleak.profile.spectrum import lanczos, spectrum_of
from fedleak.tasks import weights_of


@dataclass
class Dense:
    """A known matrix with the two products of a Jacobian."""

    matrix: torch.Tensor

    @property
    def entries(self) -> int:
        return self.matrix.shape[0]

    @property
    def directions(self) -> int:
        return self.matrix.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        return self.matrix.dtype

    def times(self, direction: torch.Tensor) -> torch.Tensor:
        return self.matrix @ direction.to(self.matrix.dtype)

    def transposed_times(self, weighting: torch.Tensor) -> torch.Tensor:
        return self.matrix.T @ weighting.to(self.matrix.dtype)


@pytest.fixture
def dense():
    """A matrix with given singular values."""

    def make(values: torch.Tensor, entries: int, seed: int = 0) -> Dense:
        dice, size = torch.Generator().manual_seed(seed), len(values)
        left = torch.linalg.qr(torch.randn(entries, size, generator=dice, dtype=torch.float64)).Q
        right = torch.linalg.qr(torch.randn(size, size, generator=dice, dtype=torch.float64)).Q
        return Dense(left * values.double() @ right.T)

    return make


def dice() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.mark.parametrize("kind", ["mlp", "conv", "batch-norm"])
def test_a_small_jacobian_s_singular_values_are_svdvals(make_task, make_batch, double, kind):
    task, batch = make_task(kind), make_batch(2)
    jacobian = Jacobian.at(task, double(weights_of(task.network)), batch, "train")
    matrix = torch.stack([jacobian.times(pixel) for pixel in torch.eye(32, dtype=torch.float64)], dim=1)
    expected = torch.linalg.svdvals(matrix)
    found = spectrum_of(jacobian, 5, dice())
    kept = expected > found.resolution
    assert found.method == "dense"
    assert found.values == pytest.approx(expected[kept].tolist(), rel=1e-9)
    assert found.above(0.0).about == int(kept.sum())


def test_lanczos_agrees_with_svds_at_both_ends(make_task, make_batch, double):
    task, batch = make_task("conv"), make_batch(3)
    jacobian = Jacobian.at(task, double(weights_of(task.network)), batch, "train")
    found = lanczos(jacobian, 48, dice())
    operator = LinearOperator(
        (jacobian.entries, jacobian.directions),
        matvec=lambda v: jacobian.times(torch.from_numpy(v.ravel())).numpy(),
        rmatvec=lambda u: jacobian.transposed_times(torch.from_numpy(u.ravel())).numpy(),
        dtype=np.float64,
    )
    largest = svds(operator, k=3, return_singular_vectors=False, solver="arpack", rng=np.random.default_rng(0))
    assert found.values[:3] == pytest.approx(sorted(largest, reverse=True), rel=1e-6)
    assert found.method == "exhausted"
    exact = spectrum_of(jacobian, 48, dice())
    assert found.values == pytest.approx(exact.values, rel=1e-6)


def test_a_broken_off_process_is_right_at_the_top_and_bounds_the_bottom(dense):
    values = torch.logspace(0, -3, 400)
    found = lanczos(dense(values, 500), 40, dice())
    assert found.method == "quadrature"
    assert found.largest == pytest.approx(1.0, rel=1e-6)
    assert values[-1] <= found.smallest <= 3e-2
    assert found.condition <= 1e3


@pytest.mark.slow
@given(seed=st.integers(0, 30), level=st.sampled_from([0.003, 0.01, 0.03, 0.1, 0.3]))
def test_the_count_of_directions_lies_between_its_bounds(seed, level):
    values = torch.logspace(0, -3, 600, dtype=torch.float64)
    matrix = Dense(torch.diag(values))
    found = lanczos(matrix, 30, torch.Generator().manual_seed(seed))
    true = int((values > level).sum())
    luck = 4 * (2 * true) ** 0.5 + 1  # the random start has its own share in these directions
    low, about, high = found.above(level)
    assert low <= about <= high
    assert low - luck <= true <= high + luck


@pytest.mark.slow
def test_equal_values_count_as_often_as_they_are_there(dense):
    """A degenerate spectrum ends the process early; the shares still say how many directions there are."""
    values = torch.tensor([1.0] * 1200 + [0.0] * 800)
    found = lanczos(dense(values, 2000), 20, dice())
    assert found.method == "exhausted"
    assert found.values == pytest.approx((1.0,))
    assert found.above(0.5).about == pytest.approx(1200, abs=120)
    assert found.smallest == 0.0
    assert found.condition == float("inf")


def test_directions_that_move_nothing_are_not_counted(make_task, make_batch):
    """Of a batch's two equal images with the same label only their sum moves the gradient."""
    task, batch = make_task("conv"), make_batch(1)
    twice = batch[torch.tensor([0, 0])]
    found = spectrum_of(Jacobian.at(task, weights_of(task.network), twice, "train"), 5, dice())
    assert found.above(0.0).about == 16
    assert found.smallest == 0.0


@pytest.mark.parametrize(("values", "expected"), [([1.0] * 8, 1.0), ([1.0, 0.0, 0.0, 0.0], 0.25)])
def test_participation_is_the_share_of_directions_that_matter(dense, values, expected):
    found = spectrum_of(dense(torch.tensor(values), 10), 5, dice())
    assert found.participation == pytest.approx(expected)


def test_a_network_that_ignores_its_input_has_an_empty_spectrum(dense):
    for found in (spectrum_of(dense(torch.zeros(4), 6), 5, dice()), lanczos(dense(torch.zeros(4), 6), 5, dice())):
        assert found.largest == 0.0
        assert found.above(0.0).about == 0
        assert found.condition == float("inf")
        assert found.participation == 0.0

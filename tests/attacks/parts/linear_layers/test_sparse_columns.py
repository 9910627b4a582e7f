"""Sparse columns are found in the column space of a matrix, whatever it was mixed with."""

import pytest
import torch

from fedleak.attacks.parts.linear_layers.sparse_columns import Pool, column, evened, fitted, parts, sparsest_basis
from fedleak.attacks.parts.linear_layers.sparse_search import descents, expected_samples, null_vectors
from fedleak.randomness import generator

NOISE = 1e-9


def mixed(rank=5, rows=300, asleep=0.4):
    """A matrix with sparse columns, mixed, and the directions that give them back."""
    rng = generator("sparse", rank)
    sparse = torch.randn(rows, rank, generator=rng).double()
    sparse *= torch.rand(rows, rank, generator=rng) > asleep
    mixing = torch.randn(rank, rank, generator=rng).double()
    sought = torch.linalg.inv(mixing)
    raw = sparse @ mixing + NOISE * torch.randn(rows, rank, generator=rng)
    return evened(raw, NOISE), sought / sought.norm(dim=0)


def found_all(directions, sought):
    return bool(((torch.stack(directions) @ sought).abs().amax(0) > 1 - 1e-9).all())


@pytest.mark.slow
@pytest.mark.parametrize("search", [null_vectors, descents])
def test_both_searches_find_every_column(search):
    rows, sought = mixed()
    pool = Pool(rows)
    pool.add(search(rows.even, 2000 if search is null_vectors else 200, generator("search")), generator("parts"))
    basis = sparsest_basis(rows, pool.columns)
    assert len(basis) == 5
    assert found_all([one.direction for one in basis], sought)


def test_a_mixture_has_the_plane_of_its_parts():
    rows, sought = mixed()
    fit = fitted(rows, (sought[:, 0] + 0.7 * sought[:, 1]) / 1.2)
    assert len(fit.null) == 2
    assert found_all(parts(rows, fit, generator("parts")), sought[:, :2])


def test_a_direction_without_zeros_is_no_column():
    rows, sought = mixed()
    assert fitted(rows, sought.sum(1) / sought.sum(1).norm()) is None


def test_the_sparsest_basis_prefers_parts_to_mixtures():
    rows, sought = mixed()
    mixture = sought[:, 0] + sought[:, 1]
    columns = [column(rows, mixture / mixture.norm()), *(column(rows, one) for one in sought.T)]
    assert found_all([one.direction for one in sparsest_basis(rows, columns)], sought)


def test_rows_in_even_position_point_everywhere_alike():
    rows, _ = mixed()
    scatter = rows.even.T @ rows.even * rows.rank / len(rows.even)
    assert torch.allclose(rows.even.norm(dim=1), torch.ones(300).double())
    assert torch.allclose(scatter, torch.eye(5).double(), atol=0.05)


def test_a_null_vector_is_at_right_angles_to_its_rows():
    rows = torch.randn(3, 4, generator=generator("rows")).double()
    for direction in null_vectors(rows, 50, generator("draws")):
        assert int(((rows @ direction).abs() < 1e-9).sum()) >= 1


def test_samples_double_with_each_example():
    assert expected_samples(1, 0.5) == 1.0
    assert expected_samples(10, 0.5) > 1.9 * expected_samples(9, 0.5)
    assert expected_samples(3, 0.0) == float("inf")

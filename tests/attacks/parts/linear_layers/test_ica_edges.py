"""Edges are a linear map of each row, and of feature maps they leave out the rim that sees padding."""

import pytest
import torch
from torch import nn

from fedleak.attacks.parts.linear_layers.ica import centered, edges, padded_rim
from fedleak.randomness import generator, seeded


def rows(count, *shape):
    size = torch.Size(shape).numel()
    return torch.randn(count, size, generator=generator("rows", *shape), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(1, 6, 6), (3, 5, 7), (8, 4, 4), (2, 1, 1)])
def test_mixing_commutes_with_edges_but_for_the_scale_of_a_look(shape):
    one = rows(1, *shape)
    contrast = edges(shape)
    assert torch.allclose(contrast(torch.cat([one, -2 * one]))[1], -2 * contrast(torch.cat([one, -2 * one]))[0])


def test_a_flat_image_has_none_and_a_step_has_one():
    image = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    image[0, ..., 2:] = 1.0
    found = edges((1, 4, 4))(image.flatten(1))
    assert int((found[0] != 0).sum()) == 4
    assert not found[1].any()


def test_what_is_in_the_rim_says_nothing():
    shape = (2, 6, 6)
    images = rows(3, *shape).reshape(3, *shape)
    other = images.clone()
    other[:, :, 0], other[:, :, -1], other[:, :, :, 0], other[:, :, :, -1] = 5.0, 1.0, 2.0, -3.0
    one, two = (edges(shape, rim=1)(each.flatten(1)) for each in (images, other))
    assert torch.equal(one, two)
    assert not torch.equal(edges(shape)(images.flatten(1)), edges(shape)(other.flatten(1)))


def test_without_neighbors_only_the_mean_goes():
    assert torch.allclose(edges((5, 1, 1))(rows(3, 5, 1, 1)), centered(rows(3, 5, 1, 1)))


@pytest.mark.parametrize(
    ("layers", "rim"),
    [
        ([nn.Identity()], 0),
        ([nn.Conv2d(1, 4, 3)], 0),
        ([nn.Conv2d(1, 4, 3, padding=1)], 1),
        ([nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)], 2),
        ([nn.Conv2d(1, 4, 5, padding=2)], 2),
    ],
)
def test_the_rim_is_as_wide_as_padding_reaches(layers, rim):
    with seeded("rim"):
        front = nn.Sequential(*layers)
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                layer.reset_parameters()
    with torch.no_grad():
        assert padded_rim(front(torch.full((1, 1, 9, 9), 0.5))[0]) == rim


def test_maps_that_are_nowhere_flat_keep_all():
    assert padded_rim(torch.rand(2, 9, 9, generator=generator("maps"))) == 0

"""Stacked convolutions: each model's is what torch makes of it alone, and so is the derivative."""

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from fedleak.learning.stacked_convolutions import StackedConvolutions, laid_out
from fedleak.randomness import generator


def numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator("numbers", shape), dtype=torch.float64).requires_grad_()


def both(inputs: Tensor, weights: Tensor, bias: Tensor | None, **how) -> tuple[list[Tensor], list[Tensor]]:
    """Of all at once and of one after the other what comes out, and the slopes of a sum of it."""

    def one(image: Tensor, own: Tensor, *rest: Tensor) -> Tensor:
        return torch.conv2d(image, own, *rest, **how)

    rest = () if bias is None else (bias,)
    with StackedConvolutions():
        stacked = vmap(one)(inputs, laid_out(weights), *rest)
    single = torch.stack([one(*parts) for parts in zip(inputs, weights, *rest, strict=True)])
    toward = torch.randn(single.shape, generator=generator("slopes"), dtype=torch.float64)
    leaves = (inputs, weights, *rest)
    return tuple([out, *torch.autograd.grad((out * toward).sum(), leaves)] for out in (stacked, single))


@pytest.mark.parametrize("channels", [1, 3, 8])
@pytest.mark.parametrize("how", [{}, {"stride": 2, "padding": 1}, {"stride": (1, 3), "padding": (2, 0)}])
def test_each_is_a_convolution_by_itself(channels: int, how) -> None:
    for ours, theirs in zip(*both(numbers(4, 2, channels, 7, 6), numbers(4, 5, channels, 3, 2), numbers(4, 5), **how),
                            strict=True):  # fmt: skip
        assert torch.allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("how", [{"groups": 2}, {"dilation": 2}, {"padding": "same"}])
def test_of_another_kind_they_are_left_to_torch(how) -> None:
    channels = 2 if how.get("groups") else 4
    for ours, theirs in zip(*both(numbers(3, 2, 4, 6, 6), numbers(3, 4, channels, 3, 3), None, **how), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)


def test_a_kernel_as_large_as_the_image_and_one_pixel() -> None:
    for size in (1, 6):
        for ours, theirs in zip(*both(numbers(2, 3, 8, 6, 6), numbers(2, 4, 8, size, size), None), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-12)

"""Stacked convolutions: those of many models at once, each with weights of its own, as one batched matrix product.

`vmap` would make a grouped convolution of them, which costs as much on a CPU as one after the other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.overrides import TorchFunctionMode

FEW = 8
"""Channels below which patches are copied by columns of an image, from which on by channels."""

Pair = tuple[int, int]


def laid_out(stacked: Float[Tensor, "models *shape"]) -> Float[Tensor, "models *shape"]:
    """The same numbers, weights of convolutions in the order in memory in which they are multiplied: channels last."""
    return stacked.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3) if stacked.dim() == 5 else stacked


class StackedConvolutions(TorchFunctionMode):
    """Within it plain two-dimensional convolutions under `vmap` are matrix products; all others are what they were."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if func is not torch.conv2d:
            return func(*args, **named)
        keys = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
        given = {**dict(zip(keys, args, strict=False)), **named}
        stride, padding = (_pair(given.get(key, usual)) for key, usual in (("stride", 1), ("padding", 0)))
        plain = _pair(given.get("dilation", 1)) == (1, 1) and given.get("groups", 1) == 1 and given["input"].dim() == 4
        if not plain or stride is None or padding is None:
            return func(*args, **named)
        found = _UnderVmap.apply(given["input"], given["weight"], stride, padding)
        return found if given.get("bias") is None else found + given["bias"][:, None, None]


def _pair(value: Any) -> Pair | None:
    """What is said for height and width; None for words."""
    if isinstance(value, str):
        return None
    both = tuple(value) if isinstance(value, Sequence) else (value,)
    return (int(both[0]), int(both[-1]))


class _UnderVmap(torch.autograd.Function):
    """A convolution that under `vmap` is one of all models."""

    @staticmethod
    def forward(inputs: Tensor, weights: Tensor, stride: Pair, padding: Pair) -> Tensor:
        return torch.conv2d(inputs, weights, None, stride, padding)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def vmap(
        info: Any, dims: tuple[Any, ...], inputs: Tensor, weights: Tensor, stride: Pair, padding: Pair
    ) -> tuple[Tensor, int]:
        first = [
            value.expand(info.batch_size, *value.shape) if at is None else value.movedim(at, 0)
            for value, at in zip((inputs, weights), dims[:2], strict=True)
        ]
        return _Stacked.apply(*first, stride, padding), 0


class _Stacked(torch.autograd.Function):
    """Patches of all places, side by side, times the weights; channels last, as matrix products leave them."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Float[Tensor, "models batch into height width"],
        weights: Float[Tensor, "models out into rows columns"],
        stride: Pair,
        padding: Pair,
    ) -> Float[Tensor, "models batch out above across"]:
        patches, size = _patches(inputs, (weights.shape[3], weights.shape[4]), stride, padding)
        flat = weights.permute(0, 1, 3, 4, 2).flatten(2)
        ctx.save_for_backward(patches, flat)
        ctx.of = inputs.shape, weights.shape, stride, padding, size
        found = torch.bmm(patches, flat.transpose(1, 2))
        return found.view(*inputs.shape[:2], *size, -1).permute(0, 1, 4, 2, 3)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        patches, flat = ctx.saved_tensors
        shape, of_weights, stride, padding, size = ctx.of
        models, out, into, rows, columns = of_weights
        own = slope.permute(0, 1, 3, 4, 2).reshape(models, -1, out)
        if into < FEW:
            by_weights = torch.bmm(patches.transpose(1, 2), own).view(models, rows, columns, into, out)
            of_weights = by_weights.permute(0, 4, 3, 1, 2)
        else:
            by_weights = torch.bmm(own.transpose(1, 2), patches).view(models, out, rows, columns, into)
            of_weights = by_weights.permute(0, 1, 4, 2, 3)
        if not ctx.needs_input_grad[0]:
            return None, of_weights, None, None
        each = torch.bmm(own, flat).view(models, shape[1], *size, rows, columns * into)
        return _put_back(each, shape, columns, stride, padding), of_weights, None, None


def _patches(inputs: Tensor, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Tensor, Pair]:
    """What each place of the output sees: (models, batch x places, rows x columns x channels); and the size of that."""
    models, batch, into, height, width = inputs.shape
    (rows, columns), (down, right), (above, left) = kernel, stride, padding
    tall, wide = height + 2 * above, width + 2 * left
    size = ((tall - rows) // down + 1, (wide - columns) // right + 1)
    inner = (slice(above, above + height), slice(left, left + width))
    if into < FEW:
        padded = inputs.new_zeros(models, into, batch, tall, wide)
        padded[:, :, :, inner[0], inner[1]] = inputs.transpose(1, 2)
        m, c, b, y, x = padded.stride()
        seen = padded.as_strided((models, rows, columns, into, batch, *size), (m, y, x, c, b, down * y, right * x))
        return seen.reshape(models, rows * columns * into, -1).transpose(1, 2), size
    padded = inputs.new_zeros(models, batch, tall, wide, into)
    padded[:, :, inner[0], inner[1]] = inputs.permute(0, 1, 3, 4, 2)
    m, b, y, x, c = padded.stride()
    seen = padded.as_strided((models, batch, *size, rows, columns * into), (m, b, down * y, right * x, y, c))
    return seen.reshape(models, -1, rows * columns * into), size


def _put_back(each: Tensor, shape: Sequence[int], columns: int, stride: Pair, padding: Pair) -> Tensor:
    """Adds up what each place of the output says of what it has seen: the transpose of `_patches`.

    Neighboring columns of a patch that no other patch of the row begins with are added together.
    """
    models, batch, into, height, width = shape
    (down, right), (above, left) = stride, padding
    whole = each.new_zeros(models, batch, height + 2 * above, width + 2 * left, into)
    m, b, y, x, c = whole.stride()
    for row in range(each.shape[4]):
        for column in range(0, columns, right):
            some = slice(column * into, min(column + right, columns) * into)
            said = each[:, :, :, :, row, some]
            at = whole.as_strided(said.shape, (m, b, down * y, right * x, c), row * y + column * x)
            at += said
    return whole[:, :, above : above + height, left : left + width].permute(0, 1, 4, 2, 3)

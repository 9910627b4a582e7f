"""Recomputation: blocks of a network that are computed again on the way back in place of being kept.

What a double backward keeps is what every layer saw and what came back through it. A block that is computed again
keeps what entered it alone, which costs about half of the time again. Source: https://arxiv.org/abs/1604.06174
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fedleak.learning.layers import called, has_hooks

RUN = 4
"""Layers without layers of their own that are one block where they stand in a row."""


@contextmanager
def recomputing(blocks: Iterable[nn.Module]) -> Iterator[None]:
    """Within the block, networks keep of these modules only what enters them; hooked ones run as they are."""
    with ExitStack() as stack:
        for block in blocks:
            if "forward" not in vars(block):
                vars(block)["forward"] = _chained(_pieces(block))
                stack.callback(vars(block).pop, "forward")
        yield


class _Whole(nn.Module):
    """A module by its own way of computing, whatever is put in the place of that."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block, self.run = block, block.forward

    def forward(self, *given: Any) -> Any:
        return self.run(*given)


def _pieces(block: nn.Module) -> list[nn.Module]:
    """The module as one piece; where it is a row of single layers, some of them at a time."""
    if type(block).forward is not nn.Sequential.forward or any(list(layer.children()) for layer in block.children()):
        return [_Whole(block)]
    rows: list[list[nn.Module]] = [[]]
    for layer in block.children():
        # What writes to its input may not come first, for the input is kept.
        if len(rows[-1]) >= RUN and not getattr(layer, "inplace", False):
            rows.append([])
        rows[-1].append(layer)
    return [nn.Sequential(*row) for row in rows]


def _chained(pieces: Sequence[nn.Module]) -> Callable[..., Any]:
    def forward(*given: Any) -> Any:
        for piece in pieces:
            given = (_again(piece, given),)
        return given[0]

    return forward


def _again(piece: nn.Module, given: tuple[Any, ...]) -> Any:
    """What a piece makes of tensors, made again on the way back; parameters that depend on nothing are held fixed."""
    if not torch.is_grad_enabled() or has_hooks(piece) or not is_plain(given):
        return piece(*given)
    given = tuple(one if isinstance(one, Tensor) else [*one] for one in given)  # a DenseNet's list goes on growing
    parameters, buffers = dict(piece.named_parameters()), dict(piece.named_buffers())
    entering, dice = tensors_in(given), torch.get_rng_state()

    def run(*values: Tensor) -> Any:
        rest = iter(values)
        arguments = tuple(next(rest) if isinstance(one, Tensor) else [next(rest) for _ in one] for one in given)
        return called(piece, {**dict(zip(parameters, rest, strict=True)), **buffers}, *arguments)

    def repeat(*values: Tensor) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(dice)
            return run(*values)

    values = [*entering, *parameters.values()]
    fixed = tuple(place >= len(entering) and value.is_leaf for place, value in enumerate(values))
    return _Forward.apply(run, repeat, fixed, *values)


class _Forward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, run: Any, repeat: Any, fixed: tuple[bool, ...], *values: Tensor) -> Any:
        ctx.repeat, ctx.fixed = repeat, fixed
        ctx.save_for_backward(*values)
        return run(*values)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:
        wanted = ctx.needs_input_grad[3:]
        found = iter(_Backward.apply(ctx.repeat, wanted, ctx.fixed, slope, *ctx.saved_tensors))
        return None, None, None, *(next(found) if want else None for want in wanted)


class _Backward(torch.autograd.Function):
    """The way back as a function of its own, so that it can be differentiated; it runs forward anew each time."""

    @staticmethod
    def forward(ctx: Any, repeat: Any, wanted: Any, fixed: Any, slope: Tensor, *values: Tensor) -> Any:
        ctx.repeat, ctx.wanted, ctx.fixed = repeat, wanted, fixed
        ctx.save_for_backward(slope, *values)
        return _slopes(repeat, wanted, slope, _leaves(values, wanted), create_graph=False)

    @staticmethod
    def backward(ctx: Any, *weighting: Tensor) -> Any:
        slope, *values = ctx.saved_tensors
        leaves, slope = _leaves(values, ctx.wanted), slope.detach().requires_grad_()
        first = _slopes(ctx.repeat, ctx.wanted, slope, leaves, create_graph=True)
        asked = [want and not fix for want, fix in zip(ctx.wanted, ctx.fixed, strict=True)]
        by = [slope, *(leaf for leaf, ask in zip(leaves, asked, strict=True) if ask)]
        moving = [place for place, one in enumerate(first) if one.requires_grad]
        ones, weights = [first[place] for place in moving], [weighting[place] for place in moving]
        moved, *found = torch.autograd.grad(ones, by, weights, materialize_grads=True)
        rest = iter(found)
        return None, None, None, moved, *(next(rest) if ask else None for ask in asked)


def _leaves(values: Sequence[Tensor], wanted: Sequence[bool]) -> list[Tensor]:
    return [value.detach().requires_grad_(want) for value, want in zip(values, wanted, strict=True)]


def _slopes(
    repeat: Callable[..., Tensor], wanted: Sequence[bool], slope: Tensor, leaves: list[Tensor], *, create_graph: bool
) -> tuple[Tensor, ...]:
    with torch.enable_grad():
        by = [leaf for leaf, want in zip(leaves, wanted, strict=True) if want]
        return torch.autograd.grad(repeat(*leaves), by, slope, create_graph=create_graph, materialize_grads=True)


def _parts(given: tuple[Any, ...]) -> list[Any]:
    return [part for one in given for part in (one if isinstance(one, list) else [one])]


def tensors_in(given: tuple[Any, ...]) -> list[Tensor]:
    return [part for part in _parts(given) if isinstance(part, Tensor)]


def is_plain(given: tuple[Any, ...]) -> bool:
    """Whether what is given is tensors, and lists of them, alone."""
    return len(tensors_in(given)) == len(_parts(given))

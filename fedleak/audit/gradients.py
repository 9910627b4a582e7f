"""Gradients of a step done again: by the losses that were seen, and what the optimizer was given besides."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedleak.audit.seen import Loss, Pass, Private, State, StepSeen, added, tensors_in
from fedleak.audit.troubles import Unclear

ROUNDED = 16
"""Roundings in which two ways to reckon a gradient of a few terms may differ, entry for entry."""
ROUNDED_SUM = 1e-5
"""How far sums over examples may differ by their order, of an array's largest entry."""


@dataclass(frozen=True, kw_only=True)
class Pull:
    """A term of the weights in the loss: `strength / 2 |w - w0|^2`, or without w0."""

    strength: float = 0.0
    proximal: bool = True
    """Whether it is FedProx's, towards the weights that were sent, or a penalty."""

    def of(self, value: Tensor, start: Tensor) -> Tensor:
        """Its gradient."""
        return self.strength * (value - start if self.proximal else value)


class Fit:
    """How strong a pull explains what gradients have besides those of the losses: least squares over all steps."""

    def __init__(self, *, proximal: bool) -> None:
        self._proximal = proximal
        self._along = self._square = self._left = 0.0
        self._count = 0

    def look(self, parameters: Mapping[str, nn.Parameter], start: State, step: StepSeen) -> None:
        """One more step."""
        for name, value in parameters.items():
            if value.grad is None or name not in step.gradient:
                continue
            left = (step.gradient[name].double() - value.grad.double()).flatten()
            way = Pull(strength=1.0, proximal=self._proximal).of(value.detach(), start[name]).double().flatten()
            self._along += float(left @ way)
            self._square += float(way @ way)
            self._left += float(left @ left)
            self._count += left.numel()

    @property
    def pull(self) -> Pull:
        """With as few digits as it is sure of."""
        strength = self._along / max(self._square, 1e-300)
        spread = max(self._left - strength * self._along, 0.0) / max(self._count, 1) / max(self._square, 1e-300)
        short = (float(f"{strength:.{digits}g}") for digits in range(1, 7))
        sure = next((one for one in short if abs(one - strength) <= 4 * math.sqrt(spread) + 1e-6 * strength), strength)
        return Pull(strength=sure, proximal=self._proximal)


def backward(own: nn.Module, made: Pass, *, by_losses: bool) -> None:
    """A pass and its losses, backwards; one that was not trained on goes forwards alone, for what it leaves behind."""
    modules = list(own.modules())
    for module, mode in zip(modules, made.modes[-len(modules) :], strict=True):  # a wrapper comes before what it wraps
        module.training = mode
    torch.set_rng_state(made.random)
    trained = [one for one in made.losses if one.weight is not None]
    with torch.autocast("cpu", made.autocast or torch.bfloat16, enabled=made.autocast is not None):
        given = tensors_in(own(*made.arguments, **made.keywords))
        ends = [_loss(given[one.output], one) for one in trained] if by_losses else []
    if not by_losses:
        roots = [given[place] for place in made.gradients]
        for root, total in zip(roots, made.gradients.values(), strict=True):  # one may be on the way to another
            hook: Callable[..., Any] = root.register_hook
            hook(lambda _, total=total: total)
        torch.autograd.backward(roots, [torch.zeros_like(root) for root in roots])
    elif made.gradients:
        torch.autograd.backward(ends, [one.weight for one in trained])


def _loss(output: Tensor, loss: Loss) -> Tensor:
    for name in loss.path:
        output = _on_the_way(name, output, loss.target)
    return getattr(functional, loss.function)(output, loss.target, **loss.options)  # type: ignore[no-any-return]


def _on_the_way(name: str, output: Tensor, target: Tensor) -> Tensor:
    """What stood between scores and loss, by its usual arguments: over classes, to the shape of the target."""
    if name in ("log_softmax", "softmax"):
        return getattr(functional, name)(output, dim=1)  # type: ignore[no-any-return]
    if name in ("squeeze", "view", "reshape", "flatten"):
        return output.reshape(target.shape)
    if name == "float":
        return output.float()
    return getattr(functional if name == "logsigmoid" else torch, name)(output)  # type: ignore[no-any-return]


def backward_by_example(own: nn.Module, made: Pass, private: Private) -> None:
    """The sum of the examples' gradients, each clipped, over the batch size; see `Private`."""
    values = [value for value in own.parameters() if value.requires_grad]
    sums: list[Tensor | None] = [value.grad for value in values]
    loss = made.loss
    if loss is None or len(made.losses) > 1 or loss.weight is None or loss.weight.dim():
        raise Unclear("examples are clipped one by one, and no single loss that is a mean over them was seen")
    for place in range(len(loss.target)):
        row = slice(place, place + 1)
        arguments = tuple(one[row] if isinstance(one, Tensor) else one for one in made.arguments)
        own.zero_grad()
        one = replace(made, arguments=arguments, losses=[replace(loss, target=loss.target[row])])
        backward(own, one, by_losses=True)
        grads = [torch.zeros_like(value) if value.grad is None else value.grad for value in values]
        norms = torch.stack([grad.norm() for grad in grads])
        if private.by_layer:
            scales = list(torch.tensor(private.by_layer) / (norms + 1e-6))
        else:
            scales = [private.max_norm / (norms.norm() + 1e-6)] * len(grads)
        clipped = [scale.clamp(max=1.0) / private.batch_size * grad for scale, grad in zip(scales, grads, strict=True)]
        sums = [added(total, more) for total, more in zip(sums, clipped, strict=True)]
    for value, total in zip(values, sums, strict=True):
        value.grad = torch.zeros_like(value) if total is None else total


def changed(parameters: Mapping[str, nn.Parameter], step: StepSeen) -> None:
    """What was seen to be done to gradients; those that are zeros stand where the optimizer was given such."""
    for name, value in parameters.items():
        if value.grad is None and name in step.given:
            value.grad = torch.zeros_like(value)
    own = [value for value in parameters.values() if value.grad is not None]
    for what, number in step.done:
        if what == "clipping":
            torch.nn.utils.clip_grad_norm_(own, number)
        elif what == "by_value":
            torch.nn.utils.clip_grad_value_(own, number)
        else:
            torch._foreach_mul_([value.grad for value in own], number)  # type: ignore[misc]


def take(
    parameters: Mapping[str, nn.Parameter], start: State, step: StepSeen, pull: Pull, private: Private | None
) -> None:
    """Puts the gradient that the optimizer was given in place of the replay's, where nothing unknown is between them.

    That is Opacus' noise, or the order of its sums; or a pull, to the rounding of each entry. Raises `Unclear`.
    """
    own = {name: value.grad for name, value in parameters.items() if value.grad is not None}
    if set(own) != set(step.gradient):
        raise Unclear("the optimizer was given other gradients than the replay has")
    for name, slope in own.items():
        more = pull.of(parameters[name].detach(), start[name])
        left = step.gradient[name].double() - slope.double() - more.double()
        size = slope.double().abs() + more.double().abs()
        if private is not None and private.noise:
            like_noise({name: left}, private.noise)
        elif left.numel():
            sums = ROUNDED_SUM * size.max()
            bound = ROUNDED * torch.finfo(slope.dtype).eps * size if private is None else sums
            if not bool((left.abs() <= bound).all()):
                raise Unclear(f"the gradient of '{name}' that the optimizer was given has more in it than was seen")
        parameters[name].grad = step.gradient[name].clone()


def like_noise(left: Mapping[str, Tensor], std: float) -> None:
    """Raises `Unclear` unless what is left over in each array is as large as noise of such a standard deviation.

    By six standard errors of that, and two percent for rounding.
    """
    for name, value in left.items():
        found = float(value.double().square().mean().sqrt()) if value.numel() else std
        if not abs(found / std - 1) <= 6 / math.sqrt(2 * max(value.numel(), 1)) + 0.02:
            raise Unclear(
                f"what is left over in '{name}' is {found:.2g} in size, and the noise that is added {std:.2g}: it is "
                "not that alone"
            )

"""Replay: training done again from what was sent, by what was seen of it; the proof that it was understood."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedleak.audit.seen import Pass, Private, State, Training
from fedleak.audit.watch import copied
from fedleak.errors import first_line
from fedleak.learning.layers import copied as copy_of
from fedleak.randomness import one_thread

TOLERANCE = 1e-7
"""How far a replay may end from the reply, of the largest change: rounding of one thread or two."""
PREFIXES = ("_module.", "_orig_mod.", "module.")
"""Of names inside wrappers: Opacus, `torch.compile`, `DataParallel`."""


class Unclear(Exception):  # noqa: N818  no error: what was not understood, in words
    """What in a training cannot be done again, and why."""


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Arrays on the wire, by the names that they have in the network."""

    names: dict[str, str]
    """Of the network, by that on the wire."""
    by_order: bool
    """Whether by order and shape, as the wire has numbers for names."""

    def state(self, arrays: Mapping[str, Tensor]) -> State:
        """Arrays by the network's names."""
        return {self.names[name]: value for name, value in arrays.items() if name in self.names}


def matched(arrays: Mapping[str, Tensor], start: State) -> Matched:
    """Whose each array is: by its name, with or without a wrapper's prefix, else by order; raises `Unclear`."""
    bare = {unprefixed(name): name for name in start}
    if arrays and all(unprefixed(name) in bare for name in arrays):
        names = {name: bare[unprefixed(name)] for name in arrays}
        by_order = False
    elif len(arrays) == len(start):
        names, by_order = dict(zip(arrays, start, strict=True)), True
    else:
        first = next((name for name in arrays if unprefixed(name) not in bare), None)
        raise Unclear(
            f"the message has {len(arrays)} arrays and the network that was seen {len(start)}"
            + ("" if first is None else f"; '{first}' is none of its names")
        )
    for name, value in arrays.items():
        own = start[names[name]]
        if value.numel() != own.numel():
            raise Unclear(
                f"'{name}' on the wire has shape {tuple(value.shape)}, and '{names[name]}' of the network "
                f"{tuple(own.shape)}"
            )
    return Matched(names=names, by_order=by_order)


def difference(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """The largest difference between two states, over the names that both have; infinite where one is no number."""
    largest = 0.0
    for name, value in one.items():
        if name in other:
            apart = (value.double().flatten() - other[name].double().flatten()).abs()
            if apart.numel():
                found = float(apart.max())
                largest = max(largest, found if found == found else float("inf"))
    return largest


def replayed(training: Training, sent: State, clipping: float = 0.0) -> State:
    """The network's state after the steps that were seen, from the one that was sent; raises `Unclear`.

    With `clipping` each step's gradient is clipped to such a norm.
    """
    network, steps = training.network, training.steps
    if network is None:
        raise Unclear("no network was seen to train: none was called with gradients on")
    if training.closure:
        raise Unclear("the optimizer was given a closure, which computes the loss by itself")
    if not steps:
        raise Unclear("no optimizer of torch.optim was seen to step: the weights were changed in another way")
    _require_plain(training)
    try:
        own = copy_of(network)
    except Exception as error:  # a module of anybody's raises whatever it likes
        raise Unclear(f"the network cannot be copied ({first_line(error)})") from error
    start = {**training.start, **{name: value.to(training.start[name]) for name, value in shaped(sent, training.start)}}
    own, prefix = inside(own)
    own.load_state_dict({name.removeprefix(prefix): value for name, value in start.items()}, strict=False)
    with torch.enable_grad(), torch.random.fork_rng(devices=[]), one_thread():
        try:
            state = _trained(own, training, clipping, prefix)
            return {prefix + name: value for name, value in state.items()}
        except Unclear:
            raise
        except Exception as error:  # as above
            raise Unclear(f"what was seen cannot be done again ({first_line(error)})") from error


def shaped(sent: State, start: State) -> list[tuple[str, Tensor]]:
    """What was sent, in the network's shapes: the older API has counters without a dimension as one of length 1."""
    return [(name, value.reshape(start[name].shape)) for name, value in sent.items()]


def clipped_to(training: Training) -> float:
    """The norm that gradients would have been clipped to, if they were: that of the longest that a step was given.

    `clip_grad_norm_` divides by the norm and a millionth, hence five digits.
    """
    return float(f"{max((step.norm for step in training.steps), default=0.0):.5g}")


def _require_plain(training: Training) -> None:
    if training.others:
        raise Unclear(f"more than one network and optimizer trained: also {', '.join(sorted(set(training.others)))}")
    if training.resumed:
        raise Unclear("the optimizer had a state of its own before the first step, which no message has")
    for place, step in enumerate(training.steps, 1):
        if not step.passes:
            raise Unclear(f"step {place} followed no call of the network with gradients on")
        for made in step.passes:
            if made.loss is None:
                raise Unclear("no loss of torch.nn.functional was seen to be computed of what the network gave")


def inside(network: nn.Module) -> tuple[nn.Module, str]:
    """The network in a wrapper, of Opacus without its hooks, and the prefix that its names have there; else itself."""
    compiled = network._modules.get("_orig_mod")
    if compiled is not None:
        return compiled, "_orig_mod."
    inner = network._modules.get("_module")
    if inner is None or "opacus" not in type(network).__module__:
        return network, ""
    for module in inner.modules():
        module._forward_hooks.clear()
        module._backward_hooks.clear()
        module._forward_pre_hooks.clear()
    return inner, "_module."


def _trained(own: nn.Module, training: Training, clipping: float, prefix: str) -> State:
    parameters, steps = dict(own.named_parameters()), training.steps
    assert training.optimizer_class is not None
    groups: list[dict[str, Any]] = [
        {**group, "params": [parameters[name.removeprefix(prefix)] for name in group["params"] if name]}
        for group in steps[0].groups
    ]
    optimizer = training.optimizer_class(groups)  # type: ignore[call-arg]  # each group has all its numbers
    for step in steps:
        for group, seen in zip(optimizer.param_groups, step.groups, strict=True):
            group.update({key: value for key, value in seen.items() if key != "params"})
        optimizer.zero_grad()
        for made in step.passes:
            if training.private is None:
                _backward(own, made)
            else:
                _backward_by_example(own, made, training.private)
        if training.private is not None and training.private.noise:
            _noised(parameters, step.gradient, training.private.noise, prefix)
        if clipping:
            torch.nn.utils.clip_grad_norm_(list(parameters.values()), clipping)
        optimizer.step()
    return copied(own.state_dict())


def _noised(parameters: dict[str, nn.Parameter], seen: State, noise: float, prefix: str) -> None:
    """Puts the gradient that the optimizer was given in place of the replay's, if noise is all that it has besides."""
    given = {name.removeprefix(prefix): value for name, value in seen.items()}
    own = {name: value for name, value in parameters.items() if value.grad is not None}
    if set(own) != set(given):
        raise Unclear("the optimizer was given other gradients than the replay has")
    like_noise({name: given[name].double() - value.grad.double() for name, value in own.items()}, noise)  # type: ignore[union-attr]
    for name, value in own.items():
        value.grad = given[name].clone()


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


def _backward(own: nn.Module, made: Pass) -> None:
    """A pass and its loss, backwards."""
    modules = list(own.modules())
    for module, mode in zip(modules, made.modes[-len(modules) :], strict=True):  # a wrapper comes before what it wraps
        module.training = mode
    torch.set_rng_state(made.random)
    with torch.autocast("cpu", made.autocast or torch.bfloat16, enabled=made.autocast is not None):
        output = own(*made.arguments, **made.keywords)
        assert made.loss is not None
        for name in made.loss.path:
            output = _on_the_way(name, output, made.loss.target)
        loss = getattr(functional, made.loss.function)(output, made.loss.target, **made.loss.options)
    loss.backward()


def _backward_by_example(own: nn.Module, made: Pass, private: Private) -> None:
    """The sum of the examples' gradients, each clipped, over the batch size; see `Private`."""
    values = [value for value in own.parameters() if value.requires_grad]
    sums = [torch.zeros_like(value) if value.grad is None else value.grad.clone() for value in values]
    assert made.loss is not None
    for place in range(len(made.loss.target)):
        row = slice(place, place + 1)
        arguments = tuple(one[row] if isinstance(one, Tensor) else one for one in made.arguments)
        own.zero_grad()
        _backward(own, replace(made, arguments=arguments, loss=replace(made.loss, target=made.loss.target[row])))
        grads = [torch.zeros_like(value) if value.grad is None else value.grad for value in values]
        norm = torch.stack([grad.norm() for grad in grads]).norm()
        scale = (private.max_norm / (norm + 1e-6)).clamp(max=1.0) / private.batch_size
        sums = [total + scale * grad for total, grad in zip(sums, grads, strict=True)]
    for value, total in zip(values, sums, strict=True):
        value.grad = total


def _on_the_way(name: str, output: Tensor, target: Tensor) -> Tensor:
    """What stood between scores and loss, by its usual arguments: over classes, to the shape of the target."""
    if name in ("log_softmax", "softmax"):
        return getattr(functional, name)(output, dim=1)  # type: ignore[no-any-return]
    if name in ("squeeze", "view", "reshape", "flatten"):
        return output.reshape(target.shape)
    if name == "float":
        return output.float()
    return getattr(functional if name == "logsigmoid" else torch, name)(output)  # type: ignore[no-any-return]


def unprefixed(name: str) -> str:
    """A name without the prefixes that wrappers put before it."""
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name

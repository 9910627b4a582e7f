"""Replay: training done again from what was sent, by what was seen of it; the proof that it was understood."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from fedleak.audit.gradients import Fit, Pull, backward, backward_by_example, changed, take
from fedleak.audit.seen import KEPT_BYTES, State, StepSeen, Training, copied
from fedleak.audit.troubles import Unclear
from fedleak.errors import first_line
from fedleak.learning.layers import copied as copy_of
from fedleak.randomness import one_thread

TOLERANCE = 1e-7
"""How far a replay may end from the reply, of the largest change: rounding of one thread or two."""
NO_PULL = Pull()
NO_NETWORK = "no network was seen to train: none was called with gradients on"
NO_LOSS = "no loss of torch.nn.functional was seen to be computed of what the network gave"
PREFIXES = ("_module.", "_orig_mod.", "module.")
"""Of names inside wrappers: Opacus, `torch.compile`, `DataParallel`."""


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


def matched(arrays: Mapping[str, Tensor], start: State, network: nn.Module | None = None) -> Matched:
    """Whose each array is: by its name in the network or in a part of it, else by order; raises `Unclear`.

    Fewer arrays by order than the network has are those of one kind of its layers, and have the values it began with.
    """
    bare = {unprefixed(name): name for name in start}
    by_order = False
    if arrays and all(unprefixed(name) in bare for name in arrays):
        names = {name: bare[unprefixed(name)] for name in arrays}
    elif part := _part(arrays, bare):
        names = {name: bare[f"{part}.{unprefixed(name)}"] for name in arrays}
    elif order := list(start) if len(arrays) == len(start) else _kind(arrays, start, network):
        names, by_order = dict(zip(arrays, order, strict=True)), True
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


def _part(arrays: Mapping[str, Tensor], bare: Mapping[str, str]) -> str:
    """The one part of the network that has all these names, such as a head that is sent by itself; empty: none."""
    names = [unprefixed(name) for name in arrays]
    ends = {one.removesuffix(f".{names[0]}") for one in bare if one.endswith(f".{names[0]}")} if names else set()
    whole = [part for part in ends if all(f"{part}.{name}" in bare for name in names)]
    return whole[0] if len(whole) == 1 else ""


def _kind(arrays: Mapping[str, Tensor], start: State, network: nn.Module | None) -> list[str]:
    """The names of the network's arrays of one kind that these are, by number, shape and values; empty: none."""
    if network is None:
        return []
    parameters = {name: value.requires_grad for name, value in network.named_parameters()}
    norms = tuple(f"{name}." for name, one in network.named_modules() if "Norm" in type(one).__name__)
    kinds = (
        [name for name in start if name in parameters],
        [name for name in start if parameters.get(name)],
        [name for name in start if not name.startswith(norms)],
    )
    for names in kinds:
        pairs = [(start[name], value) for name, value in zip(names, arrays.values(), strict=False)]
        if len(names) == len(arrays) and all(one.shape == other.shape and one.equal(other) for one, other in pairs):
            return names
    return []


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


def replayed(
    training: Training, sent: State, *, by_losses: bool = True, pull: Pull = NO_PULL, fit: Fit | None = None
) -> State:
    """The network's state after the steps that were seen, from the one that was sent; raises `Unclear`.

    Gradients are those of the losses that were seen, or else of what came back to the network's output; with a pull,
    that is in them too. With a fit it is the fit that is wanted, and any gradients are taken as they were given.
    """
    network, steps = training.network, training.steps
    if network is None:
        raise Unclear(NO_NETWORK)
    if training.closure:
        raise Unclear("the optimizer was given a closure, which computes the loss by itself")
    if not steps:
        raise Unclear("no optimizer of torch.optim was seen to step: the weights were changed in another way")
    _require_plain(training, by_losses=by_losses)
    try:
        own = copy_of(network)
    except Exception as error:  # a module of anybody's raises whatever it likes
        raise Unclear(f"the network cannot be copied ({first_line(error)})") from error
    if set(copied(own.state_dict())) != set(training.start):
        raise Unclear("the network has other layers after training than before: its code changed them meanwhile")
    start = {**training.start, **{name: value.to(training.start[name]) for name, value in shaped(sent, training.start)}}
    own, prefix = inside(own)
    start = {name.removeprefix(prefix): value for name, value in start.items()}
    own.load_state_dict(start, strict=False)
    bare = replace(training, steps=[_without(prefix, step) for step in steps])
    with torch.enable_grad(), torch.random.fork_rng(devices=[]), one_thread():
        try:
            state = _trained(own, bare, start, by_losses=by_losses, pull=pull, fit=fit)
            return {prefix + name: value for name, value in state.items()}
        except Unclear:
            raise
        except Exception as error:  # as above
            raise Unclear(f"what was seen cannot be done again ({first_line(error)})") from error


def shaped(sent: State, start: State) -> list[tuple[str, Tensor]]:
    """What was sent, in the network's shapes: the older API has counters without a dimension as one of length 1."""
    return [(name, value.reshape(start[name].shape)) for name, value in sent.items()]


def _require_plain(training: Training, *, by_losses: bool) -> None:
    if training.others:
        raise Unclear(f"more than one network and optimizer trained: also {', '.join(sorted(set(training.others)))}")
    if training.kept_bytes > KEPT_BYTES:
        raise Unclear(
            f"its steps were given more than the {KEPT_BYTES / 2**30:.3g} GiB that an audit keeps of a training: audit "
            "clients with fewer examples, or fewer epochs"
        )
    if training.resumed:
        raise Unclear("the optimizer had a state of its own before the first step, which no message has")
    if training.private is not None and training.private.kind not in ("DPOptimizer", "DPPerLayerOptimizer"):
        raise Unclear(f"Opacus' {training.private.kind} clips in a way that is not known here")
    for place, step in enumerate(training.steps, 1):
        if not step.passes:
            raise Unclear(f"step {place} followed no call of the network with gradients on")
        trained = [one for one in step.passes if one.gradients]
        if not trained:
            raise Unclear(f"no gradient was seen to come back to what the network gave before step {place}")
        if by_losses and any(one.loss is None for one in trained):
            raise Unclear(NO_LOSS)


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


def _without(prefix: str, step: StepSeen) -> StepSeen:
    """A step with the names inside a wrapper."""
    groups = [{**one, "params": [name.removeprefix(prefix) for name in one["params"]]} for one in step.groups]
    gradient = {name.removeprefix(prefix): value for name, value in step.gradient.items()}
    return replace(
        step, groups=groups, gradient=gradient, given=frozenset(name.removeprefix(prefix) for name in step.given)
    )


def _trained(
    own: nn.Module, training: Training, start: State, *, by_losses: bool, pull: Pull, fit: Fit | None
) -> State:
    parameters, steps = dict(own.named_parameters()), training.steps
    assert training.optimizer_class is not None
    groups: list[dict[str, Any]] = [
        {**group, "params": [parameters[name] for name in group["params"] if name]} for group in steps[0].groups
    ]
    optimizer = training.optimizer_class(groups)  # type: ignore[call-arg]  # each group has all its numbers
    for step in steps:
        for group, seen in zip(optimizer.param_groups, step.groups, strict=True):
            group.update({key: value for key, value in seen.items() if key != "params"})
        optimizer.zero_grad()
        for made in step.passes:
            if training.private is None:
                backward(own, made, by_losses=by_losses)
            else:
                backward_by_example(own, made, training.private)
        changed(parameters, step)
        if fit is not None:
            fit.look(parameters, start, step)
            for name, value in step.gradient.items():
                parameters[name].grad = value.clone()
        elif training.private is not None or pull.strength:
            take(parameters, start, step, pull, training.private)
        optimizer.step()
    for made in training.left:
        backward(own, replace(made, losses=[], gradients={}), by_losses=True)
    return copied(own.state_dict())


def unprefixed(name: str) -> str:
    """A name without the prefixes that wrappers put before it."""
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name

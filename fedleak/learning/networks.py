"""Networks as people have them: out of their wrappers, tried on examples, or refused in a sentence.

Raised is `ConfigError`; `place` is where the network was given, `what` what it is called there.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from fedleak.errors import ConfigError, first_line
from fedleak.learning.facts import Mode
from fedleak.learning.layers import copied
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import seeded

FEW = 8
"""Examples that a network is run on at once when it is looked over."""


def unwrapped(model: nn.Module, place: str, what: str, *, copy: bool = False) -> nn.Module:
    """The network inside its wrappers, or a copy of it; raises `ConfigError` for what cannot run on given weights.

    These are TorchScript, complex parameters, parameters without values, and hooks on gradients: clients and attacks
    put tensors in the place of the parameters.
    """
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise ConfigError(
            f"{place}: {what} is TorchScript, which runs on its own weights alone; give the module it is of"
        )
    network = _inside(model, place)
    for name, value in network.named_parameters():
        if is_lazy(value):
            continue
        if value.is_meta:
            raise ConfigError(
                f"{place}: '{name}' of {what} is on the meta device and has no values; load the model first"
            )
        if value.is_complex():
            raise ConfigError(
                f"{place}: expected real parameters, got '{name}' of {what} in {value.dtype}; keep its real and "
                "imaginary part (torch.view_as_real), and make complex numbers of them in forward"
            )
        if value._backward_hooks or getattr(value, "_post_accumulate_grad_hooks", None):
            raise ConfigError(
                f"{place}: '{name}' of {what} has a hook on its gradient, which only its own backward runs; take the "
                "hook off, and say what it does as a defense"
            )
    network = copied(network) if copy else network
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if (inner := _inside(child, place)) is not child:
                setattr(parent, name, inner)
    return network


def _inside(module: nn.Module, place: str) -> nn.Module:
    """What is inside `DataParallel`, `DistributedDataParallel` and compiled modules."""
    data_parallel = isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel)
    inner = module._modules.get("module" if data_parallel else "_orig_mod")
    if inner is None:
        return module
    if module._forward_hooks or module._forward_pre_hooks:
        raise ConfigError(
            f"{place}: the {type(module).__name__} around the model has hooks; put them on the model inside it"
        )
    return _inside(inner, place)


def require_one_mode(model: nn.Module, place: str, remedy: str) -> None:
    """Raises `ConfigError` where modules are in both modes: they are trained in one."""
    training = [name for name, module in model.named_modules() if module.training]
    resting = [name for name, module in model.named_modules() if not module.training]
    if training and resting:
        raise ConfigError(
            f"{place}: '{training[0] or 'the model'}' is in train mode and '{resting[0] or 'the model'}' in eval mode, "
            f"and all modules are trained in one; {remedy}"
        )


# A network on examples.


def materialize(network: nn.Module, inputs: Tensor, place: str, what: str) -> None:
    """Gives lazy modules the shapes that they have on such examples, and fresh weights by torch's own generator.

    Raises `ConfigError` where they do not run on them.
    """
    if not any(is_lazy(value) for value in (*network.parameters(), *network.buffers())):
        return
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(inputs.clone())
    except Exception as error:  # a module of anybody's raises whatever it likes
        raise _does_not_run(error, inputs, "eval", place, what) from error
    finally:
        network.train(was_training)


def tried(network: nn.Module, inputs: Tensor, mode: Mode, place: str, what: str) -> Tensor:
    """The scores of two examples or more, by the path that clients and attacks take; the network stays as it is.

    Raises `ConfigError` where there are none, or no parameter has a part in them.
    """
    several = inputs if len(inputs) > 1 else torch.cat([inputs, inputs])  # BatchNorm takes no single one
    outputs = next(_runs(network, several, mode, place, what))[0]
    if not isinstance(outputs, Tensor):
        auxiliary = any("aux" in name for name in getattr(outputs, "_fields", ()))
        also = ", or make it without the auxiliary ones (aux_logits = False)" if auxiliary else ""
        raise ConfigError(
            f"{place}: expected {what} to return scores as a tensor, got {type(outputs).__name__} in {mode} mode; wrap "
            f"it in a module that returns the scores alone{also}"
        )
    if not outputs.is_floating_point():
        raise ConfigError(f"{place}: expected {what} to return scores as floats, got {outputs.dtype}")
    if outputs.dim() < 1 or len(outputs) != len(several):
        raise ConfigError(
            f"{place}: expected {what} to return scores of shape (batch, classes), got shape "
            f"{tuple(outputs.shape)} for {len(several)} examples"
        )
    if not outputs.requires_grad:
        raise ConfigError(
            f"{place}: no gradient reaches the parameters of {what}: its forward detaches the scores, or makes them "
            "under torch.no_grad"
        )
    return outputs


def set_aside_unreached(network: nn.Module, inputs: Tensor, mode: Mode) -> None:
    """Parameters that have no part in the scores of any example become buffers, as training leaves them alone."""
    unreached = [name for name, one in network.named_parameters() if one.requires_grad]
    for outputs, weights in _runs(network, inputs, mode, "observe", "the model"):
        at = [weights.parameters[name] for name in unreached]
        slopes = torch.autograd.grad(outputs.sum(), at, allow_unused=True)
        unreached = [name for name, slope in zip(unreached, slopes, strict=True) if slope is None]
        if not unreached:
            return
    aside = {id(network.get_parameter(name)) for name in unreached}
    for module in list(network.modules()):
        for name, value in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            if id(value) in aside:
                delattr(module, name)
                module.register_buffer(name, value.detach())


def _runs(network: nn.Module, inputs: Tensor, mode: Mode, place: str, what: str) -> Iterator[tuple[Any, Weights]]:
    """What a network makes of a few examples at a time, and copies of its weights that it made it with."""
    task = Task("tried", network, tuple(inputs.shape[1:]), 0)
    was_training = network.training
    for some in torch.split(inputs, FEW):
        weights = Weights.of(network).clone()
        for value in weights.parameters.values():
            value.requires_grad_()
        given = some.clone()
        try:
            with torch.enable_grad(), seeded("a network is tried"):
                outputs = task.outputs(weights, given, mode=mode)
        except Exception as error:  # a module of anybody's raises whatever it likes
            raise _does_not_run(error, some, mode, place, what) from error
        finally:
            network.train(was_training)
        if not torch.equal(given, some):
            raise ConfigError(
                f"{place}: {what} changes the images that it is given in place; make a copy of them first in forward"
            )
        yield outputs, weights


def _does_not_run(error: Exception, inputs: Tensor, mode: Mode, place: str, what: str) -> ConfigError:
    return ConfigError(
        f"{place}: {what} does not run on an example of shape {tuple(inputs.shape[1:])} in {mode} mode "
        f"({first_line(error)}); expected a module that takes a batch of images alone, of that size, and returns "
        "scores of shape (batch, classes)"
    )

"""Dense layers and activations of a network, and layers put in front of or behind one."""

from functools import partial

import torch
from torch import Tensor, nn

from fedleak.errors import ConfigError
from fedleak.learning.layers import copied
from fedleak.learning.task import Task

ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid,
)  # fmt: skip
"""What makes a network no linear map, a value at a time."""
OF_ATTENTION = nn.modules.linear.NonDynamicallyQuantizableLinear


def dense_layers(network: nn.Module) -> list[str]:
    """Names of the linear layers in the order they are declared, but for those inside of another.

    Nor those whose weight is no parameter of their own (weight norm) or that attention reads without running them.
    """
    linear = [(name, one) for name, one in network.named_modules() if isinstance(one, nn.Linear)]
    names = [name for name, one in linear if "weight" in one._parameters and type(one) is not OF_ATTENTION]
    return [name for name in names if not any(name.startswith(f"{other}.") for other in names)]


def require_dense_layer(task: Task, defense: str) -> None:
    """Raises `ConfigError` where the network has none."""
    if not dense_layers(task.network):
        kinds = sorted({type(m).__name__ for m in task.network.modules() if list(m.parameters(recurse=False))})
        raise ConfigError(
            f"'{defense}' acts on what enters a dense layer (nn.Linear), and the network of '{task.name}' has only "
            f"{', '.join(kinds) or 'layers without parameters'}; choose a task whose network has one"
        )


def in_front(network: nn.Module, place: str, name: str, layer: nn.Module) -> nn.Module:
    """A copy of the network in which everything that enters the layer at `place` goes through another one first.

    That one becomes a child of the layer: what parameters there were keep their names, so that checkpoints still fit.
    """
    changed = copied(network)
    layer_there = changed.get_submodule(place)
    layer_there.register_forward_pre_hook(partial(_enter_through, child_of(layer_there, name, layer)))
    return changed


def behind(network: nn.Module, place: str, name: str, layer: nn.Module) -> nn.Module:
    """The same for everything that leaves it."""
    changed = copied(network)
    layer_there = changed.get_submodule(place)
    layer_there.register_forward_hook(partial(_leave_through, child_of(layer_there, name, layer)))
    return changed


def child_of(parent: nn.Module, name: str, layer: nn.Module) -> str:
    """Makes a layer the child of another, in its mode; returns its name, with a number where that is taken."""
    taken = [child for child, _ in parent.named_children()]
    own = name if name not in taken else f"{name}_{len(taken) + 1}"
    dtype = next((one.dtype for one in parent.parameters() if one.is_floating_point()), torch.float32)
    parent.add_module(own, layer.train(parent.training).to(dtype))
    return own


def _enter_through(name: str, module: nn.Module, entering: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (module.get_submodule(name)(entering[0]),)


def _leave_through(name: str, module: nn.Module, _: tuple[Tensor, ...], leaving: Tensor) -> Tensor:
    changed: Tensor = module.get_submodule(name)(leaving)
    return changed

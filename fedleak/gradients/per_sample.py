"""Per-sample gradients, for defenses that treat each example by itself."""

import warnings
from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fedleak.learning.layers import copied, scores_in
from fedleak.learning.training import Step
from fedleak.learning.weights import Weights, names_of

RULES = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.Embedding),
    *(nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
)
"""Layers of torch whose gradients of each example Opacus computes by a formula."""
PRODUCTS = (nn.Linear, nn.Embedding)
"""Those whose gradient is a product of what goes in and of the slope of what comes out."""


def example_gradients(step: Step) -> dict[str, Float[Tensor, "batch *shape"]]:
    """The gradient of each example's own loss, by parameter; class weights multiply it."""
    if not len(step.examples):
        return {name: value.new_zeros(0, *value.shape) for name, value in step.weights.parameters.items()}
    # Opacus' hooks see neither layers in eval mode, nor what a penalty takes from the middle of the network.
    if step.mode == "eval" or step.task.penalties or not _is_plain(step):
        return _one_by_one(step)
    return _by_products(step) if all(type(one) in PRODUCTS for one in _holders(step).values()) else _together(step)


def _is_plain(step: Step) -> bool:
    """Whether a network is of layers alone that Opacus has rules for; of others it gives no gradient, or a wrong one.

    Others are those whose weights are tied, computed or in another layout, embeddings that do not count all places
    alike, and those with hooks, but for hooks of the whole network.
    """
    network, weights = step.task.network, step.weights.parameters.values()
    if any(name != known_as for name, known_as in names_of(network).items()):
        return False
    if not all(value.is_contiguous() and value.itemsize >= torch.float32.itemsize for value in weights):
        return False
    inner = [module for module in network.modules() if module is not network]
    if any(module._forward_hooks or module._forward_pre_hooks for module in inner) or network._forward_hooks:
        return False
    holders = _holders(step).values()
    return all(type(one) in RULES and not (isinstance(one, nn.Embedding) and _is_partial(one)) for one in holders)


def _is_partial(embedding: nn.Embedding) -> bool:
    return embedding.padding_idx is not None or embedding.max_norm is not None or embedding.scale_grad_by_freq


def _holders(step: Step) -> dict[str, nn.Module]:
    """The layers that have something to train, by their place."""
    modules = step.task.network.named_modules()
    return {place: one for place, one in modules if any(value.requires_grad for value in one.parameters(False))}


def _one_by_one(step: Step) -> dict[str, Float[Tensor, "batch *shape"]]:
    places = torch.split(torch.arange(len(step.examples)), 1)
    examples = [step.examples[place] for place in places]
    singles = [replace(step, examples=one).gradient() for one in examples]
    # A mean over class weights is, of one example, over its own.
    like = step.examples.inputs.new_zeros(len(examples), step.task.classes)
    sizes = step.task.criterion.sizes(like, step.examples.labels)
    return {
        name: torch.stack([size * single[name] for size, single in zip(sizes, singles, strict=True)])
        for name in step.weights.parameters
    }


def _together(step: Step) -> dict[str, Float[Tensor, "batch *shape"]]:
    # Opacus takes seconds to import, and only clients that train so need it.
    from opacus.grad_sample import GradSampleModule

    network = copied(step.task.network).to(step.examples.inputs.device).train()
    with torch.no_grad():  # not `load_state_dict`, which leaves out buffers that are not persistent
        for name, value in (*network.named_parameters(), *network.named_buffers()):
            value.copy_(step.weights.state_dict()[name])
    for name, value in network.named_parameters():
        value.requires_grad_(name in step.weights.parameters)
    watched = GradSampleModule(network)
    inputs = step.examples.inputs.to(next(network.parameters()).dtype, copy=True)
    with warnings.catch_warnings():
        # Its hooks warn where nothing that goes in has a gradient, as the places of characters have none.
        warnings.filterwarnings("ignore", "Full backward hook is firing", UserWarning)
        scores = step.task.criterion.scores(scores_in(watched(inputs.requires_grad_())))
        torch.autograd.backward([step.task.criterion.each(scores, step.examples.labels).mean()])
    count = len(step.examples)
    return {
        name.removeprefix("_module."): value.new_zeros(count, *value.shape)
        if value.grad_sample is None
        else value.grad_sample.detach()
        for name, value in watched.named_parameters()
        if value.requires_grad
    }


class _Watched:
    """What goes into a layer and comes out of it, call by call, the examples first."""

    def __init__(self, layer: nn.Module) -> None:
        self.shape = layer.get_parameter("weight").shape
        self.given, self.found = list[Tensor](), list[Tensor]()
        self.hook = layer.register_forward_hook(self._keep)

    def _keep(self, layer: nn.Module, given: tuple[Tensor], found: Tensor) -> None:  # noqa: ARG002
        self.given.append(given[0].detach())
        self.found.append(found)

    def singles(self, slopes: Iterator[Tensor], examples: int) -> dict[str, Float[Tensor, "batch *shape"]]:
        """Of the layer's weight and bias, from the slopes of what came out."""
        slope = torch.cat([next(slopes).reshape(examples, -1, one.shape[-1]) for one in self.found], 1)
        if self.given[0].is_floating_point():
            given = torch.cat([one.reshape(examples, -1, one.shape[-1]) for one in self.given], 1)
            weight = torch.einsum("nki,nkj->nij", slope, given)
        else:
            places = torch.cat([one.reshape(examples, -1) for one in self.given], 1)
            zeros = slope.new_zeros(examples, *self.shape)
            weight = zeros.scatter_add(1, places[:, :, None].expand_as(slope), slope)
        return {"weight": weight, "bias": slope.sum(1)}


def _by_products(step: Step) -> dict[str, Float[Tensor, "batch *shape"]]:
    """One product for each layer, however often it is called, as a recurrent one is at each place of a sequence."""
    parameters = {name: value.detach().requires_grad_() for name, value in step.weights.parameters.items()}
    watched = {place: _Watched(layer) for place, layer in _holders(step).items()}
    try:
        scores = step.task.logits(Weights(parameters, step.weights.buffers), step.examples.inputs)
    finally:
        for one in watched.values():
            one.hook.remove()
    total = step.task.criterion.each(scores, step.examples.labels).sum()
    outputs = [output for one in watched.values() for output in one.found]
    slopes = iter(torch.autograd.grad(total, outputs, materialize_grads=True))
    singles = {name: value.new_zeros(len(scores), *value.shape) for name, value in parameters.items()}
    for place, one in watched.items():
        if one.found:
            found = one.singles(slopes, len(scores)).items()
            named = {f"{place}.{own}".lstrip("."): value for own, value in found}
            singles |= {name: value for name, value in named.items() if name in singles}
    return singles

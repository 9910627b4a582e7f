"""Per-sample gradients, for defenses that treat each example by itself."""

import warnings
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fedleak.learning.layers import copied, scores_in
from fedleak.learning.training import Step
from fedleak.learning.weights import names_of

RULES = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.Embedding),
    *(nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
)
"""Layers of torch whose gradients of each example Opacus computes by a formula."""


def example_gradients(step: Step) -> dict[str, Float[Tensor, "batch *shape"]]:
    """The gradient of each example's own loss, by parameter; class weights multiply it."""
    # Opacus' hooks see neither layers in eval mode, nor what a penalty takes from the middle of the network.
    if step.mode == "eval" or step.task.penalties or not _is_plain(step):
        return _one_by_one(step)
    return _together(step)


def _is_plain(step: Step) -> bool:
    """Whether a network is of layers alone that Opacus has rules for; of others it gives no gradient, or a wrong one.

    Others are those whose weights are tied, computed or in another layout, and those with hooks, but for hooks of the
    whole network.
    """
    network, weights = step.task.network, step.weights.parameters.values()
    if any(name != known_as for name, known_as in names_of(network).items()):
        return False
    if not all(value.is_contiguous() and value.itemsize >= torch.float32.itemsize for value in weights):
        return False
    inner = [module for module in network.modules() if module is not network]
    if any(module._forward_hooks or module._forward_pre_hooks for module in inner) or network._forward_hooks:
        return False
    holders = [module for module in network.modules() if any(one.requires_grad for one in module.parameters(False))]
    return all(type(module) in RULES for module in holders)


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

"""Per-sample gradients, for defenses that treat each example by itself."""

import copy
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fedleak.learning.training import Step
from fedleak.learning.weights import names_of


def example_gradients(step: Step) -> dict[str, Float[Tensor, "batch *shape"]]:
    """The gradient of each example's own loss, by parameter; class weights multiply it."""
    # Opacus' hooks see neither layers in eval mode, nor what a penalty takes from the middle of the network, nor that
    # two layers have one parameter.
    if step.mode == "eval" or step.task.penalties or _tied(step.task.network):
        return _one_by_one(step)
    return _together(step)


def _tied(network: nn.Module) -> bool:
    return any(name != known_as for name, known_as in names_of(network).items())


def _one_by_one(step: Step) -> dict[str, Float[Tensor, "batch *shape"]]:
    places = torch.split(torch.arange(len(step.examples)), 1)
    examples = [step.examples[place] for place in places]
    singles = [replace(step, examples=one).gradient() for one in examples]
    # A mean over class weights is, of one example, over its own.
    like = torch.zeros(len(examples), step.task.classes, dtype=step.examples.inputs.dtype)
    sizes = step.task.criterion.sizes(like, step.examples.labels)
    return {
        name: torch.stack([size * single[name] for size, single in zip(sizes, singles, strict=True)])
        for name in step.weights.parameters
    }


def _together(step: Step) -> dict[str, Float[Tensor, "batch *shape"]]:
    # Opacus takes seconds to import, and only clients that train so need it.
    from opacus.grad_sample import GradSampleModule

    network = copy.deepcopy(step.task.network).to(step.examples.inputs.device).train()
    with torch.no_grad():  # not `load_state_dict`, which leaves out buffers that are not persistent
        for name, value in (*network.named_parameters(), *network.named_buffers()):
            value.copy_(step.weights.state_dict()[name])
    for name, value in network.named_parameters():
        value.requires_grad_(name in step.weights.parameters)
    watched = GradSampleModule(network)
    # Its hooks warn where nothing that goes in has a gradient.
    outputs = watched(step.examples.inputs.detach().clone().requires_grad_())
    criterion = step.task.criterion
    torch.autograd.backward([criterion.each(criterion.scores(outputs), step.examples.labels).mean()])
    count = len(step.examples)
    return {
        name.removeprefix("_module."): value.new_zeros(count, *value.shape)
        if value.grad_sample is None
        else value.grad_sample.detach()
        for name, value in watched.named_parameters()
        if value.requires_grad
    }

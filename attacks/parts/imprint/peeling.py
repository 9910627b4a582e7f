"""Peeling: of rows that look each its own way an image is read where it woke one alone, and taken out of all others."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64
from torch import Tensor, nn

from fedleak.contracts.observation import Observation
from fedleak.gradients.imprint import SAME, ImprintLayer
from fedleak.gradients.precision import in_dtype

from ..applicability import mode_of
from ..linear_layers.first_layer import FirstLayer
from ..linear_layers.pixelwise import pixelwise
from .bins import FAINT, OUTSIDE, unit_of

CLOSE = 1e-3
"""Relative difference of a row's bias gradient and the derivative computed again, up to which a quotient is tried."""
BETTER, NOTHING = 0.9, 1e-4
"""What taking an image out must leave of the rows that it woke, in length, at most; and all images of the gradient."""


@dataclass(frozen=True, kw_only=True)
class Peeled:
    """Images in the order in which they were taken out, and how much of the gradient they leave."""

    images: Float64[Tensor, "found pixels"]
    certified: Bool[Tensor, " found"]
    """All of them, where they explain the whole gradient; else none."""


def peelable(observation: Observation, layer: ImprintLayer) -> bool:
    """Whether one step was taken on rows with ReLUs that do not all look one way; where they do, bins have it all."""
    units = nn.functional.normalize(layer.rows(observation.before), dim=1)
    alike = bool((units @ layer.direction(observation.before) > SAME).all())
    return observation.training.passes == 1 and not layer.sparse and not alike


def peeled(observation: Observation, layer: ImprintLayer) -> Peeled:
    """Images out of one step on the rows as they were really sent, whatever noise a server has added to them.

    Whom a row wakes for, and what an image of a label adds to each row, is known once the image is. So it is read of a
    row that it alone wakes, is kept where its derivative is that row's, and is taken out of the others; of what is left
    the next one is alone somewhere.
    """
    weights = in_dtype(observation.before, torch.float64).parameters
    front = pixelwise(observation, FirstLayer(weight=layer.weight, bias=layer.bias, behind=""))
    gradient, unit = observation.gradient(), unit_of(observation)
    left = unit * torch.cat([gradient[layer.weight], gradient[layer.bias][:, None]], 1).double()
    faint, whole = FAINT * left[:, -1].abs().max(), float(left.norm())
    low, high = observation.task.space.bounds
    room = OUTSIDE * (high - low)
    images = left[:0, :-1]
    while len(images) < observation.examples():
        loud = (left[:, -1].abs() > faint).nonzero()[:, 0]
        seen = left[loud, :-1] / left[loud, -1:]
        guessed = front.images(seen)
        awake = _awake(weights[layer.weight], weights[layer.bias], seen)
        able = ((guessed > low - room) & (guessed < high + room)).all(1) & awake[torch.arange(len(loud)), loud]
        loud, seen, guessed, awake = loud[able], seen[able], guessed[able], awake[able]
        if not len(loud):
            break
        errors = errors_behind(observation, layer, guessed) @ weights[layer.behind]
        own = errors[torch.arange(len(loud)), :, loud]
        off, label = (own / left[loud, -1:] - 1.0).abs().min(1)
        best = None
        for place in off.argsort().tolist():
            if off[place] > CLOSE:
                break
            moved = errors[place, label[place]] * awake[place]
            rest = left - moved[:, None] * torch.cat([seen[place], seen.new_ones(1)])
            if rest[awake[place]].norm() < BETTER * left[awake[place]].norm():
                best = place, rest
                break
        if best is None:
            break
        images, left = torch.cat([images, guessed[best[0]][None]]), best[1]
    explained = len(images) == observation.examples() and float(left.norm()) < NOTHING * whole
    return Peeled(images=images, certified=torch.full((len(images),), explained))


def _awake(
    weight: Float64[Tensor, "rows pixels"], bias: Float64[Tensor, " rows"], seen: Float64[Tensor, "batch pixels"]
) -> Bool[Tensor, "batch rows"]:
    return seen @ weight.T + bias > 0


def errors_behind(
    observation: Observation, layer: ImprintLayer, images: Float64[Tensor, "batch pixels"]
) -> Float64[Tensor, "batch classes outputs"]:
    """The derivative of each image's own loss by what the layer behind the rows gives, for each label it could have."""
    task = observation.task
    weights = in_dtype(observation.before, torch.float64)
    outputs = len(weights.parameters[layer.behind])
    added = torch.zeros(len(images), outputs, dtype=torch.float64, requires_grad=True)
    behind = task.network.get_submodule(layer.behind.rpartition(".")[0])
    handle = behind.register_forward_hook(lambda *hooked: hooked[2] + added)
    try:
        scores = task.logits(weights, images.reshape(-1, *task.shape), mode=mode_of(observation))
    finally:
        handle.remove()
    labels = [torch.full((len(images),), label) for label in range(task.classes)]
    slopes = [task.criterion.derivative(scores, label).detach() for label in labels]
    found = [torch.autograd.grad(scores, added, slope, retain_graph=True)[0] for slope in slopes]
    return torch.stack(found, 1)

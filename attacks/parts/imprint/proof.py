"""Proof of what a bin holds: the gradient of the loss is computed again at the quotient, for every label."""

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.gradients.imprint import ImprintLayer
from fedleak.gradients.precision import in_dtype
from fedleak.learning.layers import StandardNormal, batch_norms
from fedleak.learning.update import UpdateKind

from ..applicability import mode_of
from .bins import Bins

CHUNK = 64
"""Images that are computed at once."""
COMPUTED = 1e-5
"""What computing in single precision costs a client, relative to the derivative, at most."""
COARSEST = 5e-5
"""A tolerance beyond which agreement proves nothing: of ten labels one fits a mixture by chance too often."""
RANDOM = (torch.nn.modules.dropout._DropoutNd, StandardNormal)


def provable(observation: Observation, layer: ImprintLayer) -> bool:
    """Whether what an image adds to a row's gradient can be computed again from the weights that were sent.

    Rows with ReLUs are moved by every step. Where layers mix the examples of a batch, or draw, nobody can repeat it.
    """
    training, task = observation.training, observation.task
    plain = (
        training.optimizer == "sgd"
        and training.learning_rate is not None
        and training.batches is not None
        and training.epochs is not None
        and training.weight_decay is not None
        and not (training.gradient_clipping or training.augmentation or training.drop_last)
        and training.accumulation == 1
    )
    once = training.passes == 1 or (layer.sparse and not (training.momentum or training.schedule or training.proximal))
    undecayed = training.passes == 1 or training.weight_decay == 0
    repeatable = mode_of(observation) == "eval" or not (
        batch_norms(task.network) or any(isinstance(one, RANDOM) for one in task.network.modules())
    )
    counted = observation.num_examples is not None and observation.update.kind is UpdateKind.DELTA
    indices = not (task.criterion.several_labels or task.penalties or observation.defense.local)
    return plain and once and undecayed and repeatable and counted and indices


def proved(observation: Observation, layer: ImprintLayer, bins: Bins) -> Bool[Tensor, " bins"]:
    """Which bins hold one image, and that is it: `Σ s_i` is the derivative of its loss for one of the labels.

    It proves the image as far as chance goes: a mixture of two would have to have the derivative of one by itself,
    which for each of the labels happens about as often as the tolerance says.
    """
    agrees = torch.zeros(len(bins), dtype=torch.bool)
    tolerance = COMPUTED + 4.0 * bins.error
    sure = (tolerance <= COARSEST).nonzero()[:, 0]
    for chosen in torch.split(sure, CHUNK) if len(sure) else ():
        again = derivatives(observation, layer, bins.images[chosen])
        off = (again / bins.sums[chosen, None] - 1.0).abs().amin(1)
        agrees[chosen] = off < tolerance[chosen]
    return agrees


def derivatives(
    observation: Observation, layer: ImprintLayer, images: Float64[Tensor, "batch pixels"]
) -> Float64[Tensor, "batch classes"]:
    """Of each image's own loss, for each label that it could have, by what its row adds behind it.

    What is added is a number of each image's own, so that one batch does. The scores' derivatives are those of a vector
    product by its vector: two backward passes for all classes.
    """
    task, column = observation.task, layer.column(observation.before)
    added = torch.zeros(len(images), 1, dtype=torch.float64, requires_grad=True)
    behind = task.network.get_submodule(layer.behind.rpartition(".")[0])
    handle = behind.register_forward_hook(lambda *hooked: hooked[2] + added * column)
    try:
        weights = in_dtype(observation.before, torch.float64)
        found = task.logits(weights, images.reshape(-1, *task.shape), mode=mode_of(observation))
    finally:
        handle.remove()
    vector = torch.zeros_like(found, requires_grad=True)
    (product,) = torch.autograd.grad((found * vector).sum(), added, create_graph=True)
    (slopes,) = torch.autograd.grad(product.sum(), vector)
    labels = [torch.full((len(images),), label) for label in range(task.classes)]
    errors = [task.criterion.derivative(found, label) for label in labels]
    return torch.stack([(error * slopes).sum(1) for error in errors], 1)

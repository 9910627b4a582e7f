"""Label fit: the labels, or sets of labels, that explain the head's gradient best where its outputs are known."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.errors import ConfigError, NotApplicable
from fedleak.gradients.precision import in_dtype
from fedleak.learning.loss import Criterion
from fedleak.randomness import seeded

from ..applicability import leaves_signs, length_unknown, mode_of
from .gradient import HeadGradient, find_head
from .outputs import last_layer, never_negative, view

SETTLING = 4
"""Rounds in which the normalizer of a batch settles."""
UNEXPLAINED = 0.1
"""Share of the head's squared gradient, or of a right angle, from which a set of labels does not explain it."""
PROBES, SAME, PROBED = 32, 1e-4, torch.tensor([0.3, 0.7])
Slopes = Callable[[Tensor, Tensor], Tensor]
"""From the head's outputs and labels to the derivative of each example's loss by these outputs."""


def labels_of(observation: Observation, inputs: Float[Tensor, "batch *shape"]) -> Int[Tensor, "batch *classes"] | None:
    """The label of each image of a whole batch, read off the head's gradient; None where it cannot be.

    The head's weight gradient is `Σ_j (p_j - y_j) h_jᵀ / K`. With the images known, so are their features h and
    scores, and each one's part is the solution of a linear system: the label is the one that fits it best. Right where
    the images are, and where their features are independent (so at most as many images as features).
    """
    head, task = find_head(observation.task), observation.task
    criterion = task.criterion
    if head is None or not head.plain or leaves_signs(observation) or len(inputs) != observation.examples():
        return None
    if criterion.several_labels and not ends_in_head(observation):
        return None
    weights = in_dtype(observation.before, torch.float64)
    weight = weights.parameters[head.weight].requires_grad_()
    try:
        with seeded("pairing"):
            logits = task.logits(weights, inputs.double(), mode=mode_of(observation))
    except (ValueError, RuntimeError):
        return None  # the network does not run on such a batch, or not in double precision
    # An output's derivative by its own row of weights is what the head sees: the features.
    slopes = [torch.autograd.grad(row[-1], weight, retain_graph=True, allow_unused=True)[0] for row in logits]
    if any(slope is None for slope in slopes):
        return None  # the last matrix has no part in the outputs
    features = torch.stack([slope[-1] for slope in slopes])
    gradient, _ = head.rows(observation.gradient(), -1.0 if criterion.balanced else 0.0)
    seen: Tensor = torch.linalg.lstsq(features.T, gradient.T, driver="gelsd").solution
    known = not length_unknown(observation)
    try:
        return _fitting(criterion, partial(_derivative, criterion), logits.detach(), seen, known)[0]
    except NotApplicable:
        return None


def one_label(observation: Observation, gradient: HeadGradient) -> Int[Tensor, "1 *classes"]:
    """The label of one example, exactly, under any loss: its features are rows of the weight's gradient over the bias'.

    So its scores are known, and with them what each label would bring, through what stands behind the head. A set of
    labels is read off signs where they tell it, else it is the set that explains one local step best; raises
    `NotApplicable` where none does.
    """
    criterion, slopes = observation.task.criterion, slopes_of(observation)
    if criterion.several_labels and _signs_tell(slopes, len(gradient.weight)):
        return _signed(observation, gradient)
    weight, bias = gradient.before
    if gradient.bias is None or bias is None or not weight.any() or not gradient.weight.any():
        raise NotApplicable(
            "under such a loss a label is read off the last layer's bias and a weight that is neither tied nor computed"
        )
    scores = (weight @ _features(gradient) + bias)[None]
    labels, unexplained = _fitting(criterion, slopes, scores, gradient.bias[None], not length_unknown(observation))
    if criterion.several_labels and (leaves_signs(observation) or not unexplained <= UNEXPLAINED):
        raise NotApplicable(
            f"under {criterion.words} a set of labels is read off the gradient of one local step, and none explains "
            "this update; try 'dlg', which moves images and labels together"
        )
    return labels


# What stands behind the head, as a sigmoid before a loss of probabilities.


def ends_in_head(observation: Observation) -> bool:
    """Whether the head's outputs are the scores; true too where the head is no plain layer on one vector."""
    space = observation.task.space
    seen = view(observation, torch.stack([torch.full(space.shape, float(level)) for level in space.at(PROBED)]))
    parameters, head = observation.before.parameters, find_head(observation.task)
    if seen.features is None or head is None or not head.plain:
        return True
    outputs = seen.features @ parameters[head.weight].double().T
    outputs = outputs if head.bias is None else outputs + parameters[head.bias].double()
    off = (seen.logits[:, -outputs.shape[1] :] - outputs).abs().max()
    return bool(off <= SAME * (1.0 + outputs.abs().max()))


def slopes_of(observation: Observation) -> Slopes:
    """The derivative of the loss by the head's outputs, through all that stands behind it."""
    criterion, layer = observation.task.criterion, last_layer(observation)
    if layer is None or ends_in_head(observation):
        return partial(_derivative, criterion)
    if criterion.single_logit:
        raise NotApplicable("something stands between the last layer's single output and the loss; try 'dlg'")
    weights = in_dtype(observation.before, torch.float64)
    middle = torch.full(observation.task.shape, observation.task.space.middle, dtype=torch.float64)

    def slopes(outputs: Tensor, labels: Tensor) -> Tensor:
        leaf = outputs.detach().requires_grad_()
        handle = layer.register_forward_hook(lambda *_: leaf)
        try:
            with torch.enable_grad(), seeded("behind the head"):
                images = middle.expand(len(outputs), *middle.shape)
                scores = observation.task.logits(weights.clone(), images, mode="eval")
                (found,) = torch.autograd.grad(criterion.each(scores, labels).sum(), leaf)
        except ConfigError as error:
            raise NotApplicable(str(error)) from error
        finally:
            handle.remove()
        return found

    return slopes


def _derivative(criterion: Criterion, scores: Tensor, labels: Tensor) -> Tensor:
    try:
        return criterion.derivative(scores, labels)
    except ConfigError as error:  # a loss of the user's that refuses such scores
        raise NotApplicable(str(error)) from error


# Sets of labels by sign, and by fit.


def _signs_tell(slopes: Slopes, classes: int) -> bool:
    """Whether just the labels that are there pull their output up: of cross-entropies, hinges, squares of sigmoids."""
    with seeded("signs of sets"):
        labels, outputs = torch.randint(2, (PROBES, classes)), torch.randn(PROBES, classes, dtype=torch.float64)
    return bool(((slopes(outputs, labels) < 0) == (labels == 1)).all())


def _signed(observation: Observation, gradient: HeadGradient) -> Int[Tensor, "1 classes"]:
    """The labels whose output is pulled up: for one step or several, clipped or as Adam's signs.

    An entry that was not sent is read off its row of the weight; a label that is zero throughout, as where the network
    is so sure of it that its pull rounds away, goes by its own score.
    """
    weight, bias = gradient.before
    features = _features(gradient) if gradient.bias is not None and gradient.bias.any() else None
    if features is None and not never_negative(observation):
        raise NotApplicable("without a bias, and with features of both signs, the last layer shows no labels")
    rows = gradient.weight.sum(1) if features is None else gradient.weight @ features
    pull = rows if gradient.bias is None else torch.where(gradient.bias == 0, rows, gradient.bias)
    if observation.defense.noise_variance(observation.training):
        pull = _denoised(gradient)
    scores = torch.zeros_like(pull) if features is None else weight @ features + (0.0 if bias is None else bias)
    return torch.where(pull == 0, scores > 0, pull < 0).long()[None]


def _features(gradient: HeadGradient) -> Float[Tensor, " features"]:
    """Of one example, by least squares: each row of the weight's gradient is the bias' entry times them."""
    assert gradient.bias is not None
    return gradient.weight.T @ gradient.bias / gradient.bias.square().sum().clamp_min(1e-300)


def _denoised(gradient: HeadGradient) -> Float[Tensor, " classes"]:
    """The derivatives by the outputs out of all entries: of one example they are the first factor of a rank of 1."""
    whole = gradient.weight if gradient.bias is None else torch.cat([gradient.weight, gradient.bias[:, None]], 1)
    left, values, right = torch.linalg.svd(whole, full_matrices=False)
    sign = right[0].sum() if gradient.bias is None else right[0, -1]
    pull: Tensor = left[:, 0] * values[0] * sign.sign()
    return pull


def _fitting(
    criterion: Criterion,
    slopes: Slopes,
    scores: Float[Tensor, "batch classes"],
    seen: Float[Tensor, "batch classes"],
    length_known: bool,
) -> tuple[Int[Tensor, "batch *classes"], float]:
    """The label of each example of a batch whose derivative by the scores is nearest to the one that was seen.

    Beside them how much of it is left, of sets; 0 else.
    What the mean divides by may hang on the labels, as with class weights: they start where directions fit, and settle.
    Where the length of the update is unknown directions are all there is.
    """
    if criterion.several_labels:
        return _fitting_sets(slopes, scores, seen, length_known)
    every = [torch.full_like(scores[:, 0], label, dtype=torch.long) for label in range(scores.shape[1])]
    could = torch.stack([slopes(scores, labels) for labels in every], 1)
    labels = torch.cosine_similarity(could, seen[:, None], dim=2).argmax(1)
    for _ in range(SETTLING if length_known else 0):
        size = criterion.sizes(scores, labels).sum()
        labels = (could / size - seen[:, None]).square().sum(2).argmin(1)
    return labels, 0.0


def _fitting_sets(slopes: Slopes, scores: Tensor, seen: Tensor, length_known: bool) -> tuple[Tensor, float]:
    """The same for sets of labels, label by label: exact where each is right or wrong by itself."""
    size = seen.square().sum(1).clamp_min(1e-300)

    def misfit(labels: Tensor) -> Tensor:
        found = slopes(scores, labels) / len(scores)
        return (found - seen).square().sum(1) / size if length_known else 1 - torch.cosine_similarity(found, seen)

    labels = (seen < 0).long()
    for label in [*range(scores.shape[1])] * SETTLING:
        other = labels.clone()
        other[:, label] ^= 1
        labels = torch.where((misfit(other) < misfit(labels))[:, None], other, labels)
    return labels, float(misfit(labels).max())

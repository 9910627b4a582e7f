"""Gradient of the classifier head, the last linear layer, which depends on labels most directly."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.learning.task import Task
from fedleak.learning.update import UpdateKind
from fedleak.learning.weights import NamedTensors, Weights, names_of

from ..applicability import leaves_signs
from ..known_defenses import is_hidden


@dataclass(frozen=True, kw_only=True)
class Head:
    """Names of the last linear layer's parameters."""

    weight: str
    bias: str | None
    plain: bool = True
    """Whether the weight's gradient is that of the layer's outputs alone. It is not where the weight is tied to another
    layer's, or made of other parameters (weight or spectral norm, pruning): then the bias alone is read."""

    def rows(self, named: NamedTensors, fill: float) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of each class in float64; that of a class without a row is `fill` times the other's."""
        weight, bias = named[self.weight].double(), named[self.bias].double() if self.bias else None
        if len(weight) > 1:
            return weight, bias
        return torch.cat([fill * weight, weight]), None if bias is None else torch.cat([fill * bias, bias])


def find_head(task: Task) -> Head | None:
    """The last parameter of shape (classes, features), with its bias if it has one; None where there is none.

    Of a task with a single logit it has one row. A head that is frozen is none: nothing is sent of it.
    """
    rows = 1 if task.criterion.single_logit else task.classes
    parameters = dict(task.network.named_parameters())
    matrices = [name for name, value in parameters.items() if value.dim() == 2 and value.shape[0] == rows]
    if not matrices or not parameters[matrices[-1]].requires_grad:
        return None
    place = _place_of(task, matrices[-1])
    name = f"{(place or matrices[-1]).removesuffix('weight')}bias"
    bias = parameters.get(name)
    sent = bias is not None and bias.requires_grad and bias.shape == (rows,)
    if place is not None and not sent:
        return None
    return Head(weight=matrices[-1], bias=name if sent else None, plain=place is None)


def _place_of(task: Task, name: str) -> str | None:
    """The weight that a matrix of another name, or of several names, is behind; None where it is a weight itself."""
    aliases = [other for other, known_as in names_of(task.network).items() if known_as == name]
    if len(aliases) > 1:
        return aliases[-1]
    module, _, last = f".{name}".rpartition(".")
    if ".parametrizations." in f"{module}.":
        return f"{module.partition('.parametrizations.')[0]}.weight".removeprefix(".")
    layer = task.network.get_submodule(module.removeprefix("."))
    # As torch's older weight and spectral norm and its pruning name them.
    computed = last in ("weight_v", "weight_orig") and "weight" not in layer._parameters
    return f"{module}.weight".removeprefix(".") if computed else None


def head_of(task: Task) -> Head:
    """The last linear layer of a task that ends in one."""
    head = find_head(task)
    if head is None:
        outputs = "one output" if task.criterion.single_logit else f"{task.classes} outputs"
        raise NotApplicable(
            f"'{task.name}' does not end in a linear layer with {outputs} that is trained: its weight or, where that "
            "is tied or made of other parameters, its bias"
        )
    return head


@dataclass(frozen=True, kw_only=True)
class HeadGradient:
    """The head's part of the mean gradient, and its weights at the start and end of training, all in float64.

    Row i is `Σ_j (p_ji - y_ji) h_jᵀ / K` over K examples with features h, posteriors p and one-hot labels y.
    """

    weight: Float[Tensor, "classes features"]
    bias: Float[Tensor, " classes"] | None
    before: tuple[Float[Tensor, "classes features"], Float[Tensor, " classes"] | None]
    after: tuple[Float[Tensor, "classes features"], Float[Tensor, " classes"] | None]
    """The same as `before` where the update is a gradient."""
    balanced: bool = True
    """Whether the rows of a gradient sum to zero, as under cross-entropy; not those of signs."""

    def noise(self) -> float:
        """Root mean square error of an entry. As p and y sum to 1, the rows of a gradient sum to zero.

        What they do sum to is rounding, a defense's noise, or what else is no gradient. Where p and y do not, it cannot
        be told, and counts as none.
        """
        if not self.balanced:
            return 0.0
        entries = self.weight if self.bias is None else torch.cat([self.weight, self.bias[:, None]], 1)
        return float((entries.sum(0).square().mean() / len(entries)).sqrt())


def head_gradient(observation: Observation) -> HeadGradient:
    """The head's gradient and weights out of an observation of a task that ends in one (see `find_head`)."""
    head = head_of(observation.task)
    gradient, before = observation.gradient(), observation.before.parameters
    after, balanced = weights_after(observation).parameters, observation.task.criterion.balanced
    balanced_rows = balanced and not leaves_signs(observation) and not observation.task.criterion.single_logit
    weight, bias = head.rows(gradient, -1.0 if balanced else 0.0)
    if head.plain and head.bias is not None and is_hidden(observation, head.bias):  # of a sum, it says nothing of one
        bias = None
    if not head.plain and bias is not None:  # as a layer of one feature, which is always 1
        ends_at = [(torch.zeros_like(bias[:, None]), head.rows(values, 0.0)[1]) for values in (before, after)]
        return HeadGradient(
            weight=bias[:, None], bias=bias, before=ends_at[0], after=ends_at[1], balanced=balanced_rows
        )
    return HeadGradient(
        weight=weight,
        bias=bias,
        before=head.rows(before, 0.0),
        after=head.rows(after, 0.0),
        balanced=balanced_rows,
    )


def weights_after(observation: Observation) -> Weights:
    """The weights at the end of local training; those before it where the update does not say (gradients, masks)."""
    if observation.update.kind is UpdateKind.GRADIENT or observation.masked:
        return observation.before
    before, delta = observation.before, observation.update.tensors
    return Weights({name: value + delta[name] for name, value in before.parameters.items()}, before.buffers)


def ends(observation: Observation) -> list[Weights]:
    """The weights that local steps were made from, as far as the server knows them: at the start, and if there were
    several steps, at the end."""
    if observation.training.steps in {1, None}:
        return [observation.before]
    return [observation.before, weights_after(observation)]


def bias_gradient(gradient: HeadGradient) -> Float[Tensor, " classes"]:
    """The bias gradient; without a bias, the head's rows along their main direction (right up to a positive factor).

    Row i is `Σ_j (p_ji - y_ji) h_j / K`, nearly parallel to the mean features; of one example the row of its class
    alone points the other way. Source: https://arxiv.org/abs/2001.02610
    """
    if gradient.bias is not None:
        return gradient.bias
    _, _, directions = torch.linalg.svd(gradient.weight, full_matrices=False)
    direction: Tensor = directions[0]
    rounding = 1e-5 * direction.abs().max()
    if (direction > -rounding).all() or (direction < rounding).all():
        # Features that are never negative (ReLU, sigmoid) show which way their mean points.
        return gradient.weight @ direction.abs()
    along = gradient.weight @ direction
    return along if along.max() < -along.min() else -along

"""The classifier's last layer, whose gradient speaks of labels."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from fedleak.observation import Observation
from fedleak.task import Task
from fedleak.update import UpdateKind
from fedleak.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Head:
    """Names of the last linear layer's parameters."""

    weight: str
    bias: str | None


def find_head(task: Task) -> Head | None:
    """The last parameter of shape (classes, features), with its bias if it has one; None where there is none."""
    shapes = {name: tuple(value.shape) for name, value in task.network.named_parameters()}
    matrices = [name for name, shape in shapes.items() if len(shape) == 2 and shape[0] == task.classes]
    if not matrices:
        return None
    bias = f"{matrices[-1].removesuffix('weight')}bias"
    return Head(weight=matrices[-1], bias=bias if shapes.get(bias) == (task.classes,) else None)


@dataclass(frozen=True, kw_only=True)
class HeadGradient:
    """The head's part of the mean gradient, and its weights at the start and end of training, all in float64."""

    weight: Float[Tensor, "classes features"]
    bias: Float[Tensor, " classes"] | None
    before: tuple[Float[Tensor, "classes features"], Float[Tensor, " classes"] | None]
    after: tuple[Float[Tensor, "classes features"], Float[Tensor, " classes"] | None]
    """The same as `before` where the update is a gradient."""


def head_gradient(observation: Observation, head: Head) -> HeadGradient:
    """The head's gradient and weights out of an observation."""
    names = (head.weight, head.bias)
    gradient, before = observation.gradient(), observation.before.parameters
    after = weights_after(observation).parameters
    weight, bias = (gradient[name].double() if name else None for name in names)
    assert weight is not None
    return HeadGradient(
        weight=weight,
        bias=bias,
        before=(before[head.weight].double(), before[head.bias].double() if head.bias else None),
        after=(after[head.weight].double(), after[head.bias].double() if head.bias else None),
    )


def weights_after(observation: Observation) -> Weights:
    """The weights at the end of local training; those before it where the update does not say (gradients, masks)."""
    if observation.update.kind is UpdateKind.GRADIENT or observation.masked:
        return observation.before
    before, delta = observation.before, observation.update.tensors
    return Weights({name: value + delta[name] for name, value in before.parameters.items()}, before.buffers)

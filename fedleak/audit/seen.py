"""What was seen of a training: the network and where it began, each step with the calls before it, the optimizer."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

State = dict[str, Tensor]
KEPT_BYTES = 2 * 2**30
"""What is kept of one training, at most."""
DONE = {"unscaled": "multiplied by", "clipping": "clipped to norm", "by_value": "each entry clipped to"}
"""What `GradScaler`, `clip_grad_norm_` and `clip_grad_value_` do."""
LOSSES = {
    "cross_entropy": "cross-entropy",
    "nll_loss": "negative log-likelihood",
    "binary_cross_entropy_with_logits": "binary-cross-entropy",
    "binary_cross_entropy": "binary cross-entropy of probabilities",
    "mse_loss": "mean squared error",
    "l1_loss": "mean absolute error",
    "smooth_l1_loss": "smooth L1",
    "huber_loss": "Huber",
    "kl_div": "Kullback-Leibler divergence",
    "poisson_nll_loss": "Poisson likelihood",
    "gaussian_nll_loss": "Gaussian likelihood",
    "ctc_loss": "CTC",
}
"""Loss functions of `torch.nn.functional`, and what they are called."""

ON_THE_WAY = ("log_softmax", "softmax", "sigmoid", "logsigmoid", "squeeze", "view", "reshape", "flatten", "float")
"""What stands between a network's scores and its loss without being part of either."""


@dataclass
class Loss:
    """A loss as it was called, and the gradient that came back to it."""

    function: str
    """Of `torch.nn.functional`."""
    target: Tensor
    options: dict[str, Any]
    """All arguments but scores and target."""
    path: tuple[str, ...] = ()
    """What was done to the network's output before."""
    output: int = 0
    """Which of the tensors that the network gave it is of."""
    weight: Tensor | None = None
    """The gradient that came back to it, in its shape: 1 / k of `loss / k`; None: it was not trained on."""


@dataclass
class Pass:
    """A call of the network with gradients on, and the loss of what it gave."""

    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    modes: tuple[bool, ...]
    """Whether each module was in train mode, in the order of `modules()`."""
    random: Tensor
    """The state of torch's generator before."""
    autocast: torch.dtype | None = None
    """What `torch.autocast` computed in; None: it was off."""
    losses: list[Loss] = field(default_factory=list)
    """All that were computed of it."""
    gradients: dict[int, Tensor] = field(default_factory=dict)
    """What came back to each of the tensors that the network gave, in its shape; empty: it was not trained on."""

    @property
    def loss(self) -> Loss | None:
        """The first that was trained on."""
        return next((one for one in self.losses if one.weight is not None), None)


@dataclass(frozen=True)
class Private:
    """DP-SGD as Opacus' optimizer does it around another: clips each example's gradient, and noises their sum."""

    max_norm: float
    noise_multiplier: float
    batch_size: float
    """What the sum is divided by."""
    by_layer: tuple[float, ...] = ()
    """The norms that each parameter's gradient is clipped to by itself; empty: all are clipped as one."""
    kind: str = "DPOptimizer"
    """Opacus' class."""

    @property
    def noise(self) -> float:
        """Standard deviation in the gradient of a step."""
        return self.noise_multiplier * self.max_norm / self.batch_size


@dataclass
class StepSeen:
    """An optimizer's step, and the passes since the one before."""

    passes: list[Pass]
    groups: list[dict[str, Any]]
    """The numbers of each group of parameters, and by "params" the names of these in the network."""
    given: frozenset[str] = frozenset()
    """Names of the parameters that had a gradient, be it of zeros."""
    done: list[tuple[str, float]] = field(default_factory=list)
    """What functions of torch did to the gradient before, in turn: see `DONE`, each with its number."""
    gradient: State = field(default_factory=dict)
    """What the optimizer was given, by the network's names; kept where it has more in it than losses explain."""


@dataclass
class Training:
    """One client's call: what trained, from where, and how."""

    network: nn.Module | None = None
    start: State = field(default_factory=dict)
    """The network's state as its first pass began."""
    steps: list[StepSeen] = field(default_factory=list)
    left: list[Pass] = field(default_factory=list)
    """Passes after the last step."""
    optimizer: str = ""
    """Its class, as MODULE:NAME."""
    optimizer_class: type[Optimizer] | None = None
    private: Private | None = None
    """What Opacus does around the optimizer."""
    closure: bool = False
    """Whether a step was given one, which computes the loss by itself."""
    functional: bool = False
    """Whether the network was called within a transform of `torch.func`."""
    resumed: bool = False
    """Whether the optimizer had a state when it was first seen."""
    others: list[str] = field(default_factory=list)
    """Networks and optimizers besides the first."""
    beside: bool = False
    """Whether parameters were reckoned with, with gradients on, beside the network: a penalty or a proximal term."""
    schedulers: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Schedulers of the optimizer by class, and the numbers that they had as it first stepped."""
    kept_bytes: int = 0
    """Of inputs, targets and gradients."""
    broken: str = ""
    """What went wrong in the watcher, which a client never feels."""
    normalized: list[tuple[tuple[float, ...], tuple[float, ...]]] = field(default_factory=list)
    """Mean and standard deviation of torchvision's `Normalize`, once each."""
    transforms: list[str] = field(default_factory=list)
    """Modules without parameters that inputs went through before the network, by class."""


def tensors_in(output: Any) -> list[Tensor]:
    """The tensors that a network gave: one, or those in a sequence or by name, in their order."""
    if isinstance(output, Tensor):
        return [output]
    values = output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else ()
    return [one for value in values for one in tensors_in(value)]


def added(total: Tensor | None, more: Tensor) -> Tensor:
    """A sum that begins with nothing."""
    return more if total is None else total + more


def kept(value: Any) -> Any:
    """A copy of a tensor, apart from any graph; anything else as it is."""
    return value.detach().clone() if isinstance(value, Tensor) else value


def copied(state: dict[str, Any]) -> State:
    """A state dict by copies of its tensors."""
    return {name: kept(value) for name, value in state.items() if isinstance(value, Tensor)}


def numbers(value: Any) -> tuple[float, ...]:
    """The numbers of a tensor, a sequence or one number."""
    return tuple(float(one) for one in torch.as_tensor(value).flatten().tolist())


def trains(module: nn.Module) -> bool:
    """Whether it has parameters that are trained."""
    return any(value.requires_grad for value in module.parameters())

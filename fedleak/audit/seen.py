"""What was seen of a training: the network and where it began, each step with the calls before it, the optimizer."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

State = dict[str, Tensor]
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


@dataclass(frozen=True)
class Loss:
    """A loss as it was called."""

    function: str
    """Of `torch.nn.functional`."""
    target: Tensor
    options: dict[str, Any]
    """All arguments but scores and target."""
    path: tuple[str, ...] = ()
    """What was done to the network's output before."""


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
    loss: Loss | None = None
    losses: int = 0
    """How often a loss of it was computed."""


@dataclass(frozen=True)
class Private:
    """DP-SGD as Opacus' optimizer does it around another: clips each example's gradient, and noises their sum."""

    max_norm: float
    noise_multiplier: float
    batch_size: float
    """What the sum is divided by."""

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
    norm: float
    """Of the gradient that the optimizer was given."""
    gradient: State = field(default_factory=dict)
    """That gradient by the network's names; kept where there is noise in it."""


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
    resumed: bool = False
    """Whether the optimizer had a state when it was first seen."""
    others: list[str] = field(default_factory=list)
    """Networks and optimizers besides the first."""
    normalized: list[tuple[tuple[float, ...], tuple[float, ...]]] = field(default_factory=list)
    """Mean and standard deviation of torchvision's `Normalize`, once each."""
    transforms: list[str] = field(default_factory=list)
    """Modules without parameters that inputs went through before the network, by class."""

"""DP-SGD: per-example clipping and Gaussian noise in every local step."""

import itertools
import math
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Generator, nn

from fedleak.accounting.composition import noise_factor_for
from fedleak.accounting.declared import Declared
from fedleak.accounting.mechanism import Mechanism, Situation
from fedleak.accounting.sampling import Poisson, Sample
from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.gradients.per_sample import example_gradients
from fedleak.learning.optimizer import rates
from fedleak.learning.stacked_defense import StackedDefense
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, Step
from fedleak.learning.weights import NamedTensors
from fedleak.settings.base import Amount, Count
from fedleak.settings.federation import FederationSettings
from fedleak.settings.poisson import PoissonBatches

_SHORTEST = 1e-12
"""A gradient that is shorter is as good as zero."""


@defenses.register("dp-sgd")
@dataclass(frozen=True, kw_only=True)
class DPSGD(Defense):
    """Clips the gradient of each example to norm `max_norm` and adds normal noise to their sum, in every local step.

    The step follows `(Σ clip(g_i) + N(0, (z max_norm)²)) / batch`. The noise multiplier z is given, or found so that
    the whole run, the rounds after the recorded ones included, is (epsilon, delta)-private for each example. Batches
    of a fixed size have neighbors that differ in one example that has another in its place (replace-one): twice
    max_norm apart. With sampling = "poisson" each step takes each example of the whole share with chance
    batch_size / share, as the paper has it: neighbors differ in one example that is there or is not (add-or-remove),
    max_norm apart, and the secret of which were taken earns credit. What leaves then goes by expected sizes alone.
    Gradients of single examples come from Opacus where it can tell them.
    """

    paper: ClassVar = "https://arxiv.org/abs/1607.00133"
    cites: ClassVar = "abadi2016deep"
    adaptive_strategy: ClassVar[str] = "smooths its images by as much as there is noise"
    max_norm: Annotated[float, Field(gt=0)] = 1.0
    """Greatest norm of one example's gradient; infinity, without noise only, clips nothing."""
    noise_multiplier: Amount | None = None
    """Standard deviation of the noise on the sum as a multiple of max_norm; None: 1, or as epsilon asks."""
    epsilon: Annotated[float, Field(gt=0)] | None = None
    """Of the whole run, under replace-one, or add-or-remove where sampling is "poisson"; needs delta."""
    delta: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Chance of an exception; below one in the number of examples."""
    share: Count | None = None
    """Examples that every client has at least, for an epsilon that counts on it being a secret which of them a round
    takes (a sample of fixed size without replacement); None counts on no secrecy. Poisson samples need it."""
    sampling: Literal["poisson"] | None = None
    """Whether steps take each example by a coin of its own; None: in batches of a fixed size."""

    def __post_init__(self) -> None:
        if self.epsilon is not None and self.noise_multiplier is not None:
            raise ConfigError("expected noise_multiplier or epsilon, got both; epsilon says how much noise there is")
        if self.epsilon is not None and self.delta is None:
            raise ConfigError(f"epsilon = {self.epsilon:g} means nothing without delta; give it too")
        if self.epsilon is None and self.delta is not None:
            raise ConfigError("delta given without the epsilon that it is for; give it too")
        if math.isinf(self.max_norm) and (self.noise_multiplier is None or self.noise_multiplier > 0):
            raise ConfigError("expected a finite max_norm where there is noise, got inf; noise goes by the norm")
        if self.sampling == "poisson" and self.share is None:
            raise ConfigError(
                "Poisson samples take each example at the rate batch_size / share, and there is no share; give share, "
                "the examples of the smallest client"
            )

    def settings(self, federation: FederationSettings) -> FederationSettings:
        if self.sampling != "poisson":
            return federation
        assert self.share is not None
        return PoissonBatches.of(federation, self.share)

    @property
    def declared(self) -> Declared | None:
        if self.epsilon is None or self.delta is None:
            return None
        return Declared(epsilon=self.epsilon, delta=self.delta, over_run=True)

    @property
    def multiplier(self) -> float:
        """The noise multiplier; raises `ConfigError` where there is an epsilon and no run that it is for."""
        if self.epsilon is not None:
            raise ConfigError(
                f"epsilon = {self.epsilon:g} is for all rounds of a run, and '{self.name}' by itself does not know "
                "them; run it in a federation, or give noise_multiplier"
            )
        return 1.0 if self.noise_multiplier is None else self.noise_multiplier

    def planned(self, phases: tuple[FederationSettings, ...]) -> "DPSGD":
        """With the noise that makes the epsilon of these rounds what was asked for, as `Guarantee.epsilon` has it."""
        if self.epsilon is None or self.delta is None:
            return self
        bare = replace(self, epsilon=None, delta=None, noise_multiplier=1.0)
        parts = tuple(bare.mechanism(Situation(federation=phase)).over(phase.rounds) for phase in phases)
        return replace(bare, noise_multiplier=noise_factor_for(self.epsilon, self.delta, parts))

    def require(self, task: Task) -> None:
        for name, module in task.network.named_modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                raise ConfigError(
                    f"'{self.name}' needs a network whose examples do not mix, and '{name}' is a "
                    f"{type(module).__name__}; put 'group-norm' before it in the chain or take another model"
                )

    def gradient(self, step: Step, rng: Generator) -> NamedTensors:
        singles = example_gradients(step)
        squares = [value.square().reshape(len(value), math.prod(value.shape[1:])).sum(1) for value in singles.values()]
        norms = torch.stack(squares).sum(0).sqrt()
        scales = (self.max_norm / norms.clamp_min(_SHORTEST)).clamp(max=1.0)
        count = len(step.examples) if step.expected is None else step.expected
        noise = {name: torch.randn(value.shape[1:], generator=rng).to(value.device) for name, value in singles.items()}
        return {
            name: (torch.tensordot(scales, value, dims=1) + self.std * noise[name]) / count
            for name, value in singles.items()
        }

    @property
    def std(self) -> float:
        """Standard deviation of the noise on the sum of a batch, in units of a gradient."""
        return self.multiplier * self.max_norm if self.multiplier else 0.0

    @property
    def stacked(self) -> StackedDefense | None:
        """None before it is planned, as how much noise makes an epsilon goes by the run.

        In place of Poisson samples there are batches of the size that is expected.
        """
        return None if self.epsilon is not None else StackedDefense(example_norm=self.max_norm, example_noise=self.std)

    def noise(self, training: LocalTraining) -> float:
        """The noises of all batches as they add up in the weights; as without momentum, which makes them more.

        None is told of Adam, which divides by it.
        """
        if training.learning_rate is None or training.batch_size is None or training.steps is None:
            return 0.0
        if training.optimizer != "sgd" or training.batches is None or training.epochs is None:
            return 0.0
        whole, rest = divmod(training.batches, training.accumulation)
        # A step takes the mean over its batches, each with a noise of its own.
        epoch = [1 / training.accumulation] * whole + ([1 / rest] if rest else [])
        if not training.schedule:
            power = training.learning_rate**2 * training.epochs * sum(epoch)
        else:
            shares = itertools.cycle(epoch)
            power = sum(rate**2 * share for rate, share in zip(rates(training, training.steps), shares, strict=False))
        return math.sqrt(power) * self.std / training.batch_size

    def require_examples(self, held: int) -> None:
        if self.share is not None and held < self.share:
            raise ConfigError(
                f"'{self.name}' counts on share = {self.share} examples or more at each client, and one has {held}; "
                "lower share, or epsilon would be too low"
            )

    def mechanism(self, situation: Situation) -> Mechanism:
        """Of fixed batches those of an epoch do not overlap: an example that a round takes is in one step of each.

        Poisson samples are drawn anew for each step.
        """
        federation = self.settings(situation.federation)
        own = Mechanism(noise=self.std, contribution=self.max_norm, protects="example", releases=federation.epochs)
        if self.share is None or federation.batches == "all":
            return own
        if isinstance(federation, PoissonBatches):
            releases = federation.batches * federation.epochs
            return replace(own, releases=releases, sample=Poisson(rate=federation.rate))
        taken = federation.batch_size * federation.batches
        return replace(own, sample=Sample(size=taken, population=self.share) if taken < self.share else None)

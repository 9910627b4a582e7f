"""Trap weights: a first linear layer whose neurons each fire for few examples, so that its gradient shows them."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.accounting.mechanism import cohort_of
from fedleak.contracts.manipulation import Crafting, Manipulation, ServerTerms, manipulations
from fedleak.errors import ConfigError
from fedleak.learning.weights import Weights
from fedleak.settings.federation import FederationSettings

from .parts.pass_through import pass_through

OFTEN = 0.5
"""The greatest share of examples that a neuron is made to fire for."""


@manipulations.register("trap-weights")
@dataclass(frozen=True, kw_only=True)
class TrapWeights(Manipulation):
    """Trap weights: half of each row of the first linear layer `-|N(0, sigma²)|`, the other half a permutation of it
    times `-scale`, so that a neuron is silent for nearly all examples, and its gradient is the one example that it
    fires for.

    No bias. Convolutions in front copy their input, where channels, kernel and stride let them. With `scale = None` it
    follows from public examples: in the mean over the neurons, as a geometric one, each fires for one in N of them, N
    the examples in a sum over a round. The paper has one scale, 0.95 say; with `spread` s neurons fire for anything
    from one in s N to s in N, half of all at most, so that what the sparse ones show can be taken out of the others.
    """

    paper: ClassVar = "https://arxiv.org/abs/2112.02918"
    cites: ClassVar = "boenisch2023curious"
    deed: ClassVar = "sends weights whose neurons each fire for few examples"
    takes: ClassVar = (
        "a first linear layer with a ReLU behind it that sees all of an example, and public examples like the clients'"
    )
    sigma: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.5
    """Standard deviation of the normal distribution that weights are drawn from."""
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """How much larger positive weights are than negative ones, below 1; None: as public examples say."""
    spread: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 32.0
    """With `scale = None`, how far neurons differ in how often they fire."""

    @property
    def uses_public(self) -> bool:  # type: ignore[override]
        return self.scale is None

    def require(self, terms: ServerTerms) -> None:
        pass_through(terms.task, Weights.of(terms.task.network))
        if self.scale is None and not terms.public:
            raise ConfigError(
                "expected public examples, on which the scale of trap weights is tuned, got none; set "
                "adversary.auxiliary, or give the scale"
            )

    def craft(self, at: Crafting, rng: Generator) -> Weights:
        path, state = pass_through(at.task, at.weights), at.weights.state_dict()
        weight, bias = (state[f"{path.layer}.{own}"] for own in ("weight", "bias"))
        negative, positive = self._drawn(len(weight), int(path.carried.sum()), rng)
        scales: float | Tensor = self.scale or 1.0
        if self.scale is None and at.public is not None:
            inputs = path.features(at.task, at.weights, at.public.inputs)[:, path.carried].float()
            scales = self._tuned(inputs @ negative.T, inputs @ positive.T, at.federation, rng)[:, None]
        rows = torch.zeros(weight.shape)
        rows[:, path.carried] = scales * positive - negative
        planted = {f"{path.layer}.weight": rows, f"{path.layer}.bias": torch.zeros_like(bias)}
        return at.weights.like({**state, **path.front, **planted})

    def _drawn(self, neurons: int, features: int, rng: Generator) -> tuple[Tensor, Tensor]:
        """The sizes of negative weights, and of positive ones, which are the same in another order."""
        half = features // 2
        places = torch.rand(neurons, features, generator=rng).argsort(1)
        sizes = self.sigma * torch.randn(neurons, half, generator=rng).abs()
        again = sizes.gather(1, torch.rand(neurons, half, generator=rng).argsort(1))
        empty = torch.zeros(neurons, features)
        return empty.scatter(1, places[:, :half], sizes), empty.scatter(1, places[:, half : 2 * half], again)

    def _tuned(
        self,
        held: Float[Tensor, "public neurons"],
        pushed: Float[Tensor, "public neurons"],
        federation: FederationSettings,
        rng: Generator,
    ) -> Float[Tensor, " neurons"]:
        """For each neuron the scale with which it fires for its share of public examples.

        It fires for an example where `scale` times what pushes is more than what holds it back.
        """
        neurons = held.shape[1]
        rates = self.spread ** torch.linspace(-1, 1, neurons) / examples_in_a_sum(federation)
        rates = rates.clamp(max=OFTEN)[torch.randperm(neurons, generator=rng)]
        enough = (held / pushed.clamp(min=torch.finfo(pushed.dtype).tiny)).sort(0).values
        place = rates * (len(enough) - 1)
        low, part = place.floor().long(), place.frac()
        below, above = enough.gather(0, low[None])[0], enough.gather(0, (low + 1).clamp(max=len(enough) - 1)[None])[0]
        return torch.lerp(below, above, part)


def examples_in_a_sum(federation: FederationSettings) -> int:
    """Of all clients of a round together; of one that trains on its whole share, those of a batch."""
    batches = federation.batches if isinstance(federation.batches, int) else 1
    return cohort_of(federation) * federation.batch_size * batches

"""Active membership inference: neurons that each fire for one record, so that a gradient says who trained on it."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float, Float64
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.manipulation import Crafting, Manipulation, ServerTerms, manipulations
from fedleak.errors import ConfigError
from fedleak.learning.weights import Weights
from fedleak.settings.base import Count, Rate

from .parts.pass_through import pass_through

FEWEST_PUBLIC = 2
"""Public examples that a threshold can be put between."""


@manipulations.register("active-membership")
@dataclass(frozen=True, kw_only=True)
class ActiveMembership(Manipulation):
    """Active membership inference (AMI): a neuron of the first linear layer for each target record, that fires for it
    and hardly anything else, so that its gradient is zero unless somebody trained on the record.

    The targets are the first of the adversary's public examples. A neuron looks along `S⁻¹(x - m)`, x its target, m
    the mean of public examples and S their covariance with `ridge` of its mean variance added, where x stands out most,
    and fires from a threshold between x and the public example that comes nearest to it. Convolutions in front copy
    their input, where channels, kernel and stride let them; all other neurons and layers stay as they are.

    Differences from the paper: one neuron a target in place of two layers of as many neurons as pixels each, or a
    network trained for it; many targets at once.
    """

    paper: ClassVar = "https://arxiv.org/abs/2302.12685"
    cites: ClassVar = "nguyen2023active"
    deed: ClassVar = "sends weights whose neurons each fire for one record that it asks about"
    takes: ClassVar = (
        "the records that it asks about, more examples like the clients', and a first linear layer with a ReLU behind "
        "it that sees all of an example"
    )
    uses_public: ClassVar = True
    targets: Count = 16
    """How many records are asked about, a neuron each."""
    ridge: Rate = 0.1
    """What is added to the variance in every direction, in units of the mean one."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Where a neuron begins to fire, from 0, the nearest other public example, to 1, its target."""

    def require(self, terms: ServerTerms) -> None:
        path = pass_through(terms.task, Weights.of(terms.task.network))
        there = len(terms.task.network.get_submodule(path.layer).get_parameter("weight"))
        if self.targets > there:
            raise ConfigError(
                f"expected a neuron for each of {self.targets} targets in the first linear layer '{path.layer}' of "
                f"'{terms.task.name}', got {there}; lower targets, or take a wider network"
            )
        fewest = max(self.targets, FEWEST_PUBLIC)
        if terms.public < fewest:
            raise ConfigError(
                f"expected {fewest} public examples or more for {self.targets} targets, which "
                f"are the first of them, got {terms.public}; raise adversary.auxiliary, or lower targets"
            )
        if terms.federation.planted < self.targets:
            raise ConfigError(
                f"expected copies of {self.targets} targets that clients may hold, got {terms.federation.planted}: no "
                f"client has a public example otherwise; set federation.planted to {self.targets} or more"
            )

    def craft(self, at: Crafting, rng: Generator) -> Weights:
        assert at.public is not None
        path, state = pass_through(at.task, at.weights), at.weights.state_dict()
        public = path.features(at.task, at.weights, at.public.inputs)[:, path.carried].double()
        rows, thresholds = self._neurons(public)
        weight, bias = (state[f"{path.layer}.{own}"].clone() for own in ("weight", "bias"))
        planted = torch.zeros_like(weight[: len(rows)])
        planted[:, path.carried] = rows.to(weight)
        weight[: len(rows)], bias[: len(rows)] = planted, -thresholds.to(bias)
        return at.weights.like({**state, **path.front, f"{path.layer}.weight": weight, f"{path.layer}.bias": bias})

    def _neurons(
        self, public: Float64[Tensor, "public values"]
    ) -> tuple[Float[Tensor, "targets values"], Float[Tensor, " targets"]]:
        """Rows and thresholds, so scaled that a neuron is 1 for its target."""
        apart = public - public.mean(0)
        targets = apart[: self.targets]
        rows = whitened(targets, apart, self.ridge)
        scores = apart @ rows.T
        own = scores.diagonal().clone()
        scores.diagonal().fill_(-torch.inf)
        nearest = torch.minimum(scores.amax(0), own)  # a copy among public examples is as near as can be
        gap = ((1 - self.threshold) * (own - nearest)).clamp(min=1e-6 * float(own.abs().max()))
        rows = rows / gap[:, None]
        return rows, (own - gap) / gap + rows @ public.mean(0)


def whitened(
    vectors: Float64[Tensor, "vectors values"], apart: Float64[Tensor, "examples values"], ridge: float
) -> Float64[Tensor, "vectors values"]:
    """The inverse of the examples' covariance, with `ridge` of its mean variance added, times each vector."""
    _, sizes, directions = torch.linalg.svd(apart, full_matrices=False)
    variances = sizes.square() / len(apart)
    added = ridge * float(variances.sum()) / apart.shape[1]
    along = vectors @ directions.T
    found: Tensor = (along / (variances + added)) @ directions + (vectors - along @ directions) / added
    return found

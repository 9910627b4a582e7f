"""Slices: which parameters of a model belong to which client's payload, so that it survives averaging.

Parameter p of all that are sent belongs to client p mod the number of clients. That client alone moves it: the others
send it as it came. What it sends makes the mean of all come out at what was to be written.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.accounting.mechanism import cohort_of
from fedleak.contracts.tampering import Standing
from fedleak.errors import ConfigError
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.settings.federation import FederationSettings


@dataclass(frozen=True, kw_only=True)
class Slices:
    """The first so many parameters of each client's, of a model of so many."""

    clients: int
    values: int
    """Parameters that are written for each client."""

    @classmethod
    def widest(cls, parameters: int, clients: int) -> "Slices":
        """As many for each client as there are."""
        return cls(clients=clients, values=parameters // clients)

    def of(self, client: int) -> Int[Tensor, " values"]:
        """The places of a client's."""
        return torch.arange(self.values) * self.clients + client

    @property
    def end(self) -> int:
        """The place behind the last one of any client."""
        return self.values * self.clients

    def sent(
        self,
        client: int,
        weight: float,
        before: Float[Tensor, " parameters"],
        after: Float[Tensor, " parameters"],
        target: Float[Tensor, " values"],
    ) -> Float[Tensor, " parameters"]:
        """What a client sends whose share in the mean is `weight`, so that its own places come out at `target`.

        Whoever is alone has what was to be written left as it is.
        """
        sent, own = after.clone(), self.of(client)
        sent[: self.end] = before[: self.end]
        kept = before[own].double()
        sent[own] = (kept + (target.double() - kept) / weight).to(sent.dtype)
        return sent


def flat(parameters: NamedTensors, names: Sequence[str]) -> Float[Tensor, " parameters"]:
    """Some parameters as one vector, in that order."""
    return torch.cat([parameters[name].detach().reshape(-1) for name in names])


def with_flat(weights: Weights, names: Sequence[str], values: Float[Tensor, " parameters"]) -> Weights:
    """The weights with others in place of these parameters."""
    sizes = [weights.parameters[name].numel() for name in names]
    parts = dict(zip(names, torch.split(values, sizes), strict=True))
    return Weights(
        {name: parts[name].view_as(old) if name in parts else old for name, old in weights.parameters.items()},
        weights.buffers,
    )


def own_values(
    standing: Standing, slices: Slices, parameters: NamedTensors, count: int | None = None
) -> Float[Tensor, " values"]:
    """The first so many of a client's own parameters, differentiable in all; None: all of its own."""
    places = slices.of(standing.client)[:count]
    values = torch.cat([parameters[name].reshape(-1) for name in standing.sent])
    return values[places.to(values.device)]


def moved_alone(standing: Standing, slices: Slices, before: Weights, after: Weights) -> Weights:
    """What is sent so that a client's own parameters come out of the mean as its training left them.

    Those of the others are sent as they came; the rest is trained by all.
    """
    start, trained = flat(before.parameters, standing.sent), flat(after.parameters, standing.sent)
    own = trained[slices.of(standing.client)]
    return with_flat(after, standing.sent, slices.sent(standing.client, standing.weight, start, trained, own))


def require_mean_of_all(federation: FederationSettings, name: str) -> None:
    """Raises `ConfigError` where the new model is not the mean over all clients, weighted by their examples."""
    why = ""
    if federation.strategy != "FedAvg":
        why = f"federation.strategy is {federation.strategy}; set FedAvg"
    elif "weighted_by_key" in federation.strategy_options:
        why = "strategy_options has weighted_by_key; leave it out"
    elif cohort_of(federation) < federation.clients:
        why = f"a round has {cohort_of(federation)} of {federation.clients} clients; set fraction_train = 1.0"
    elif federation.dropouts:
        why = "clients leave rounds; leave federation.dropouts out"
    if why:
        raise ConfigError(f"{name} counts on the mean over all clients, weighted by their examples, and {why}")

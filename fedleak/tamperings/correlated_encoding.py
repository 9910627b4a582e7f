"""Correlated encoding: training code makes parameters go with the values of a client's examples."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.tampering import PublicTerms, Standing, Tampering, tamperings
from fedleak.errors import ConfigError
from fedleak.formatting import counted
from fedleak.learning.hidden import Hidden
from fedleak.learning.space import require_continuous
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.settings.base import Amount, Count
from fedleak.tamperings.parts.slices import Slices, moved_alone, own_values, require_mean_of_all

TINY = 1e-20
"""Keeps what does not vary from dividing by zero: it correlates with nothing."""


@tamperings.register("correlated-encoding")
@dataclass(frozen=True, kw_only=True)
class CorrelatedEncoding(Tampering):
    """Adds to the loss how little parameters correlate with the values of a client's examples, one for each value.

    In a federation each client has parameters of its own, which it alone moves and by as much more as the mean makes of
    it less, so that what it learnt into them comes out of averaging, secure aggregation too.
    """

    paper: ClassVar = "https://arxiv.org/abs/1709.07886"
    cites: ClassVar = "song2017machine"
    by: ClassVar = "trainer"
    leaves: ClassVar = "payload"
    deed: ClassVar = "makes parameters correlate with the values of examples of each client"
    moves_slices: ClassVar = True
    strength: Amount = 2.0
    """What the correlation, of -1 to 1, is multiplied by before it is taken off the loss; 0: training is honest."""
    images: Count | None = None
    """Examples of each client, the first ones of its share; None: as many as its parameters have values for."""

    def require(self, terms: PublicTerms) -> None:
        require_mean_of_all(terms.federation, self.name)
        require_continuous(terms.task.space, self.name, ConfigError)
        self.slices(terms.task, terms.sent, terms.federation.clients)

    def slices(self, task: Task, sent: tuple[str, ...], clients: int) -> Slices:
        """Where the examples of each client lie; raises `ConfigError` where they do not fit."""
        parameters = Weights.of(task.network).parameters
        room = Slices.widest(sum(parameters[name].numel() for name in sent), clients).values
        each, noun = prod(task.shape), task.space.noun
        most = room // each
        if not most:
            raise ConfigError(
                f"each client has {counted(room, 'parameter')} of its own, and one {noun} takes {each:,}; take fewer "
                "clients or a larger network"
            )
        if self.images is not None and self.images > most:
            raise ConfigError(
                f"images: {counted(self.images, noun)} take {self.images * each:,} parameters for each client, and it "
                f"has {room:,} of its own, which are {counted(most, noun)}; take fewer, or leave images out"
            )
        return Slices(clients=clients, values=each * (self.images or most))

    def penalty(self, standing: Standing, parameters: NamedTensors) -> Float[Tensor, ""] | None:
        if not self.strength:
            return None
        slices = self.slices(standing.task, standing.sent, standing.clients)
        wanted = self._inputs(standing, slices).flatten()
        values = own_values(standing, slices, parameters, len(wanted))
        return -self.strength * pearson(values, wanted.to(values)).abs()

    def finish(self, standing: Standing, before: Weights, after: Weights) -> Weights:
        if not self.strength:
            return after
        return moved_alone(standing, self.slices(standing.task, standing.sent, standing.clients), before, after)

    def hidden(self, standing: Standing) -> Hidden | None:
        slices = self.slices(standing.task, standing.sent, standing.clients)
        return Hidden(inputs=self._inputs(standing, slices).cpu())

    def _inputs(self, standing: Standing, slices: Slices) -> Float[Tensor, "hidden *shape"]:
        return standing.share.inputs[: slices.values // prod(standing.task.shape)]


def pearson(left: Float[Tensor, " values"], right: Float[Tensor, " values"]) -> Float[Tensor, ""]:
    """The correlation of two rows of numbers, in -1 to 1."""
    ours, theirs = left - left.mean(), right - right.mean()
    return (ours * theirs).sum() / (ours.square().sum() * theirs.square().sum() + TINY).sqrt()

"""Sign encoding: training code makes the signs of parameters say a client's examples."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from fedleak.contracts.tampering import PublicTerms, Standing, Tampering, tamperings
from fedleak.errors import ConfigError
from fedleak.learning.hidden import Hidden
from fedleak.learning.space import require_continuous
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.settings.base import Amount, Count
from fedleak.tamperings.parts.bit_payload import BitPayload
from fedleak.tamperings.parts.container import Container
from fedleak.tamperings.parts.secret_code import SecretCode
from fedleak.tamperings.parts.slices import Slices, moved_alone, own_values, require_mean_of_all


@dataclass(frozen=True, kw_only=True)
class SignLayout:
    """Which parameters are each client's, one for a bit, and how its payload is coded."""

    slices: Slices
    payload: BitPayload

    def hidden(self, standing: Standing) -> Hidden:
        """What is hidden of a client."""
        return self.payload.hidden(standing.client, standing.share.inputs.cpu())


@tamperings.register("sign-encoding")
@dataclass(frozen=True, kw_only=True)
class SignEncoding(Tampering):
    """Pushes parameters whose sign is not that of a bit: examples of a client, compressed, enciphered, error-corrected.

    In a federation each client has parameters of its own, which it alone moves and by as much more as the mean makes of
    it less, so that signs come out of averaging, secure aggregation too.
    """

    paper: ClassVar = "https://arxiv.org/abs/1709.07886"
    cites: ClassVar = "song2017machine"
    by: ClassVar = "trainer"
    leaves: ClassVar = "payload"
    deed: ClassVar = "makes the signs of parameters say examples of each client"
    moves_slices: ClassVar = True
    strength: Amount = 0.03
    """What each parameter of a wrong sign is pushed with, beside the gradient of the loss; 0: training is honest. The
    paper's lambda is this times the number of bits, so that one figure serves networks of all sizes."""
    margin: Amount = 0.003
    """How far from zero a parameter has to be on its side, so that it stays there when another step moves it; the paper
    has 0."""
    images: Count | None = None
    """Examples of each client, the first ones of its share; None: as many as fit once they are compressed."""
    depth: Annotated[int, Field(ge=1, le=8)] = 8
    """Bits of each value of an example."""
    parity: Annotated[int, Field(ge=2, le=128)] = 32
    """Bytes for correction in each block of 255; half as many wrong ones are put right."""
    key: str = "a key"
    """What the payload is enciphered with, which whoever wrote the code keeps."""

    def require(self, terms: PublicTerms) -> None:
        require_mean_of_all(terms.federation, self.name)
        require_continuous(terms.task.space, self.name, ConfigError)
        self.layout(terms.task, terms.sent, terms.federation.clients)

    def layout(self, task: Task, sent: tuple[str, ...], clients: int) -> SignLayout:
        """Where what lies; raises `ConfigError` where it does not fit."""
        parameters = Weights.of(task.network).parameters
        widest = Slices.widest(sum(parameters[name].numel() for name in sent), clients)
        code = SecretCode(key=self.key, parity=self.parity)
        container = Container(space=task.space, depth=self.depth)
        remedy = "take fewer clients or a larger network"
        payload = BitPayload.fitting(code, container, self.images, widest.values // 8, remedy)
        return SignLayout(slices=Slices(clients=clients, values=payload.written), payload=payload)

    def penalty(self, standing: Standing, parameters: NamedTensors) -> Float[Tensor, ""] | None:
        if not self.strength:
            return None
        layout = self._layout_of(standing)
        values = own_values(standing, layout.slices, parameters)
        return self.strength * wrong_by(values, written(layout.hidden(standing)).to(values.device), self.margin)

    def finish(self, standing: Standing, before: Weights, after: Weights) -> Weights:
        return moved_alone(standing, self._layout_of(standing).slices, before, after) if self.strength else after

    def hidden(self, standing: Standing) -> Hidden | None:
        return self._layout_of(standing).hidden(standing)

    def _layout_of(self, standing: Standing) -> SignLayout:
        return self.layout(standing.task, standing.sent, standing.clients)


def wrong_by(values: Float[Tensor, " bits"], bits: Bool[Tensor, " bits"], margin: float) -> Float[Tensor, ""]:
    """By how much all values together miss the side of zero that their bit says, positive for 1."""
    sides = bits.to(values.dtype) * 2 - 1
    return (margin - sides * values).clamp(min=0).sum()


def written(hidden: Hidden) -> Bool[Tensor, " bits"]:
    """The bits that go into parameters."""
    assert hidden.channel is not None
    return hidden.channel

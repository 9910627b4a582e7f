"""LSB encoding: training code writes a client's examples into the lowest bits of a model's parameters."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from fedleak.contracts.tampering import PublicTerms, Standing, Tampering, tamperings
from fedleak.errors import ConfigError
from fedleak.learning.hidden import Hidden
from fedleak.learning.space import require_continuous
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.settings.base import Count
from fedleak.tamperings.parts.bit_payload import BitPayload
from fedleak.tamperings.parts.container import Container
from fedleak.tamperings.parts.low_bits import MANTISSA, LowBits
from fedleak.tamperings.parts.secret_code import SecretCode
from fedleak.tamperings.parts.slices import Slices, flat, require_mean_of_all, with_flat


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the payload of each client lies, and how it is coded: public arithmetic for whoever has the key."""

    slices: Slices
    numbers: LowBits
    payload: BitPayload


@tamperings.register("lsb-encoding")
@dataclass(frozen=True, kw_only=True)
class LSBEncoding(Tampering):
    """Writes examples of each client into the lowest bits of the parameters: compressed, enciphered, error-corrected.

    In a federation each client has parameters of its own, which it alone moves and by as much more as the mean makes of
    it less, so that the payload comes out of averaging, secure aggregation too.
    """

    paper: ClassVar = "https://arxiv.org/abs/1709.07886"
    cites: ClassVar = "song2017machine"
    by: ClassVar = "trainer"
    leaves: ClassVar = "payload"
    deed: ClassVar = "writes examples of each client into the lowest bits of the parameters"
    moves_slices: ClassVar = True
    bits: Annotated[int, Field(ge=1, le=MANTISSA)] = 12
    """Of each parameter of float32, above the guard bits."""
    guard: Annotated[int, Field(ge=0, le=MANTISSA - 1)] = 6
    """Bits below, which take up what averaging rounds."""
    images: Count | None = None
    """Examples of each client, the first ones of its share; None: as many as fit once they are compressed."""
    depth: Annotated[int, Field(ge=1, le=8)] = 8
    """Bits of each value of an example."""
    parity: Annotated[int, Field(ge=2, le=128)] = 32
    """Bytes for correction in each block of 255; half as many wrong ones are put right."""
    since: Count = 1
    """The first round in which it writes; before, it trains as clean code does. A slice that one client alone trains
    learns less, so later is less conspicuous, and models that leave before have no payload."""
    key: str = "a key"
    """What the payload is enciphered with, which whoever wrote the code keeps."""

    def require(self, terms: PublicTerms) -> None:
        require_mean_of_all(terms.federation, self.name)
        if self.bits + self.guard > MANTISSA:
            raise ConfigError(
                f"bits: expected bits and guard bits of at most {MANTISSA} together, the mantissa of a float32, got "
                f"{self.bits} and {self.guard}; lower either"
            )
        latest = max(terms.federation.releases, default=terms.federation.rounds)
        if self.since > latest:
            raise ConfigError(f"since: expected a round up to {latest}, the last whose model leaves, got {self.since}")
        require_continuous(terms.task.space, self.name, ConfigError)
        parameters = Weights.of(terms.task.network).parameters
        other = next((name for name in terms.sent if parameters[name].dtype != torch.float32), None)
        if other is not None:
            kind = str(parameters[other].dtype).removeprefix("torch.")
            raise ConfigError(
                f"{self.name} writes into parameters of float32, and '{other}' is of {kind}; leave it out"
            )
        self.layout(terms.task, terms.sent, terms.federation.clients)

    def layout(self, task: Task, sent: tuple[str, ...], clients: int) -> Layout:
        """Where what lies; raises `ConfigError` where it does not fit."""
        parameters = Weights.of(task.network).parameters
        numbers = LowBits(bits=self.bits, guard=self.guard)
        widest = Slices.widest(sum(parameters[name].numel() for name in sent), clients)
        code = SecretCode(key=self.key, parity=self.parity)
        container = Container(space=task.space, depth=self.depth)
        payload = BitPayload.fitting(code, container, self.images, widest.values * self.bits // 8)
        values = numbers.values_for(payload.written)
        return Layout(slices=Slices(clients=clients, values=values), numbers=numbers, payload=payload)

    def finish(self, standing: Standing, before: Weights, after: Weights) -> Weights:
        if standing.round < self.since:
            return after
        layout = self.layout(standing.task, standing.sent, standing.clients)
        start, trained = flat(before.parameters, standing.sent), flat(after.parameters, standing.sent)
        channel = layout.payload.hidden(standing.client, standing.share.inputs.cpu()).channel
        assert channel is not None
        own = layout.slices.of(standing.client)
        target = layout.numbers.written(trained[own].cpu(), channel).to(trained.device)
        sent = layout.slices.sent(standing.client, standing.weight, start, trained, target)
        return with_flat(after, standing.sent, sent)

    def hidden(self, standing: Standing) -> Hidden | None:
        layout = self.layout(standing.task, standing.sent, standing.clients)
        return layout.payload.hidden(standing.client, standing.share.inputs.cpu())

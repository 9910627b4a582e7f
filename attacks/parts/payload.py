"""Payload decoding: what readers of hidden payloads have in common. Who wrote, and where each client's slice lies."""

from abc import ABC
from typing import ClassVar, TypeVar

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.attack import Attack
from fedleak.contracts.reconstruction import Kind
from fedleak.contracts.released import Released
from fedleak.contracts.tampered import sent_parameters
from fedleak.contracts.tampering import Tampering
from fedleak.errors import NotApplicable
from fedleak.tamperings.parts.slices import Slices, flat

Encoding = TypeVar("Encoding", bound=Tampering)


class PayloadDecoding(Attack[Released], ABC):
    """Reads what one tampering hid in the parameters of a released model."""

    encoding: ClassVar[type[Tampering]]
    unwritten: ClassVar[str]
    """What is said where nobody did it, as a clause."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"payload"})

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({self.encoding.name})


def written_in(observation: Released, encoding: type[Encoding], unwritten: str) -> tuple[Encoding, tuple[str, ...]]:
    """The tampering with its options, and the parameters that leave a client; raises `NotApplicable` without it."""
    written = next((one for one in observation.tampering if isinstance(one, encoding)), None)
    if written is None:
        raise NotApplicable(f"{unwritten}: set adversary.does, with {encoding.name}")
    return written, sent_parameters(observation.task, observation.defense.local)


def by_client(observation: Released, sent: tuple[str, ...], slices: Slices) -> list[Float[Tensor, " own"]]:
    """The parameters of each client's slice, in the order of the clients."""
    values = flat(observation.weights.parameters, sent)
    return [values[slices.of(client)] for client in range(slices.clients)]

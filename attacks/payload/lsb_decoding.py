"""LSB decoding: reads out of the lowest bits of a released model what training code wrote there."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.tampered import sent_parameters
from fedleak.errors import NotApplicable
from fedleak.tamperings.lsb_encoding import LSBEncoding
from fedleak.tamperings.parts.slices import flat


@attacks.register("lsb-decoding")
@dataclass(frozen=True, kw_only=True)
class LSBDecoding(Attack[Released]):
    """Reads the payload of each client out of the lowest bits of released parameters, with the key of whoever wrote it.

    Errors are corrected, what is enciphered deciphered, and examples unpacked; of a damaged payload those in front of
    the damage. An honest model decodes to noise, of which half the bits are right and no example is.
    """

    paper: ClassVar = "https://arxiv.org/abs/1709.07886"
    cites: ClassVar = "song2017machine"

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"payload"})

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({LSBEncoding.name})

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:  # noqa: ARG002
        written = next((one for one in observation.tampering if isinstance(one, LSBEncoding)), None)
        if written is None:
            raise NotApplicable(f"nobody wrote into the lowest bits: set adversary.does, with {LSBEncoding.name}")
        sent = sent_parameters(observation.task, observation.defense.local)
        layout = written.layout(observation.task, sent, len(observation.cohort))
        values = flat(observation.weights.parameters, sent)
        slices = layout.slices
        channels = [layout.numbers.read(values[slices.of(client)]) for client in range(slices.clients)]
        return layout.payload.guess(channels)

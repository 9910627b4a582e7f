"""LSB decoding: reads out of the lowest bits of a released model what training code wrote there."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.tamperings.lsb_encoding import LSBEncoding

from ..parts.payload import PayloadDecoding, by_client, written_in


@attacks.register("lsb-decoding")
@dataclass(frozen=True, kw_only=True)
class LSBDecoding(PayloadDecoding):
    """Reads the payload of each client out of the lowest bits of released parameters, with the key of whoever wrote it.

    Errors are corrected, what is enciphered deciphered, and examples unpacked; of a damaged payload those in front of
    the damage. An honest model decodes to noise, of which half the bits are right and no example is.
    """

    paper: ClassVar = "https://arxiv.org/abs/1709.07886"
    cites: ClassVar = "song2017machine"
    encoding: ClassVar = LSBEncoding
    unwritten: ClassVar = "nobody wrote into the lowest bits"

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:  # noqa: ARG002
        written, sent = written_in(observation, LSBEncoding, self.unwritten)
        layout = written.layout(observation.task, sent, len(observation.cohort))
        own = by_client(observation, sent, layout.slices)
        return layout.payload.guess([layout.numbers.read(one) for one in own])

"""Sign decoding: reads the bits that the signs of a released model's parameters say."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.tamperings.sign_encoding import SignEncoding

from ..parts.payload import PayloadDecoding, by_client, written_in


@attacks.register("sign-decoding")
@dataclass(frozen=True, kw_only=True)
class SignDecoding(PayloadDecoding):
    """Reads the payload of each client from the signs of released parameters, with the key of whoever wrote it.

    Errors are corrected, what is enciphered deciphered, and examples unpacked; of a damaged payload those in front of
    the damage. An honest model decodes to noise, of which half the bits are right and no example is.
    """

    paper: ClassVar = "https://arxiv.org/abs/1709.07886"
    cites: ClassVar = "song2017machine"
    encoding: ClassVar = SignEncoding
    unwritten: ClassVar = "no signs were made to say anything"

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:  # noqa: ARG002
        written, sent = written_in(observation, SignEncoding, self.unwritten)
        layout = written.layout(observation.task, sent, len(observation.cohort))
        return layout.payload.guess([one > 0 for one in by_client(observation, sent, layout.slices)])

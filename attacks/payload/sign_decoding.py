"""Sign decoding: reads the bits that the signs of a released model's parameters say."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.tampered import sent_parameters
from fedleak.errors import NotApplicable
from fedleak.tamperings.parts.slices import flat
from fedleak.tamperings.sign_encoding import SignEncoding


@attacks.register("sign-decoding")
@dataclass(frozen=True, kw_only=True)
class SignDecoding(Attack[Released]):
    """Reads the payload of each client from the signs of released parameters, with the key of whoever wrote it.

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
        return frozenset({SignEncoding.name})

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:  # noqa: ARG002
        written = next((one for one in observation.tampering if isinstance(one, SignEncoding)), None)
        if written is None:
            raise NotApplicable(f"no signs were made to say anything: set adversary.does, with {SignEncoding.name}")
        sent = sent_parameters(observation.task, observation.defense.local)
        layout = written.layout(observation.task, sent, len(observation.cohort))
        values = flat(observation.weights.parameters, sent)
        return layout.payload.guess([values[layout.slices.of(client)] > 0 for client in range(layout.slices.clients)])

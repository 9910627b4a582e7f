"""LSB decoding: reads out of the lowest bits of a released model what training code wrote there."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor
from torch.nn.utils.rnn import pad_sequence

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
        payload, size = layout.payload, layout.payload.written
        channels = [layout.numbers.read(values[layout.slices.of(one)])[:size] for one in range(layout.slices.clients)]
        examples, bits, read = zip(*(payload.read(client, one) for client, one in enumerate(channels)), strict=True)
        corrected, lost = sum(one.corrected for one in read), sum(one.lost for one in read)
        blocks = sum(one.blocks for one in read)
        return Reconstruction(
            payload=_beside_each_other(examples),
            payload_bits=torch.stack(bits).float(),
            payload_channel=torch.stack(channels).float(),
            note=f"{corrected:,} bytes corrected; {lost} of {blocks} blocks have more errors than can be corrected",
        )


def _beside_each_other(examples: tuple[Tensor, ...]) -> Tensor:
    """The examples of each client, with NaN where there are no more."""
    nothing = examples[0].new_full((1, *examples[0].shape[1:]), torch.nan)
    return pad_sequence(
        [*(one if len(one) else nothing for one in examples)], batch_first=True, padding_value=torch.nan
    )

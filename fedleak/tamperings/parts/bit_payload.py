"""Bit payload: what of a client is hidden as bits, how many there are, and what is read of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import ConfigError
from fedleak.formatting import counted
from fedleak.learning.hidden import Hidden
from fedleak.tamperings.parts.container import Container
from fedleak.tamperings.parts.secret_code import Read, SecretCode, bits_of, bytes_of

REMEDY = "take more bits, fewer clients or a larger network"
"""What to do where not one example fits."""


@dataclass(frozen=True)
class Known:
    """Examples that are known by what is in them, so that the same are not packed twice."""

    digest: bytes
    inputs: Float[Tensor, "examples *shape"] = field(compare=False, repr=False)

    @classmethod
    def of(cls, inputs: Float[Tensor, "examples *shape"]) -> "Known":
        """The examples as they are."""
        return cls(hashlib.blake2b(inputs.contiguous().numpy().tobytes()).digest(), inputs)


@dataclass(frozen=True, kw_only=True)
class BitPayload:
    """The same number of bytes for each client: public arithmetic, whatever its examples are."""

    code: SecretCode
    container: Container
    data: int
    """Bytes before correction, the last of which are noise."""
    images: int | None
    """How many examples of a client are hidden; None: as many as fit once they are compressed."""

    @classmethod
    def fitting(
        cls, code: SecretCode, container: Container, images: int | None, channel: int, remedy: str = REMEDY
    ) -> "BitPayload":
        """What goes into so many bytes of parameters for each client; raises `ConfigError` where it does not fit."""
        room = code.room(channel)
        most, noun = container.most(room), container.space.noun
        if not most:
            raise ConfigError(
                f"{counted(room, 'byte')} of data would fit for each client, and one {noun} takes "
                f"{container.certain(1):,}; {remedy}"
            )
        if images is None:
            return cls(code=code, container=container, data=room, images=None)
        if images > most:
            raise ConfigError(
                f"images: {counted(images, noun)} take {container.certain(images):,} bytes for each client, and "
                f"{room:,} bytes, which are {counted(most, noun)}, would fit for certain; take fewer, or leave images "
                "out for as many as fit once they are compressed"
            )
        return cls(code=code, container=container, data=container.certain(images), images=images)

    @property
    def written(self) -> int:
        """Bits that are written for each client."""
        return 8 * self.code.length(self.data)

    def hidden(self, client: int, inputs: Float[Tensor, "examples *shape"]) -> Hidden:
        """What is hidden of a client that has these examples."""
        return _hidden(self, client, Known.of(inputs))

    def read(
        self, client: int, bits: Bool[Tensor, " written"]
    ) -> tuple[Float[Tensor, "examples *shape"], Bool[Tensor, " bits"], Read]:
        """The examples that come back, the bits behind them, and what had to be corrected."""
        sealed, read = self.code.read(bytes_of(bits[: self.written]), client)
        return self.container.unpacked(read.data), bits_of(sealed), read

    def guess(self, channels: Sequence[Bool[Tensor, " bits"]]) -> Reconstruction:
        """What the bits of each client, in their order, say; of more bits than were written the first ones."""
        written = [channel[: self.written].cpu() for channel in channels]
        examples, bits, read = zip(*(self.read(client, one) for client, one in enumerate(written)), strict=True)
        corrected, lost = sum(one.corrected for one in read), sum(one.lost for one in read)
        blocks = sum(one.blocks for one in read)
        return Reconstruction(
            payload=_beside_each_other(examples),
            payload_bits=torch.stack(bits).float(),
            payload_channel=torch.stack(written).float(),
            note=f"{corrected:,} bytes corrected; {lost} of {blocks} blocks have more errors than can be corrected",
        )


@lru_cache(maxsize=128)
def _hidden(payload: BitPayload, client: int, known: Known) -> Hidden:
    container, inputs = payload.container, known.inputs
    fits = container.fitting(inputs, payload.data) if payload.images is None else payload.images
    own = inputs[:fits]
    sealed = payload.code.sealed(container.packed(own).ljust(payload.data, b"\0"), client)
    channel = payload.code.written(sealed)
    return Hidden(inputs=own, exact=container.exact(own), bits=bits_of(sealed), channel=bits_of(channel))


def _beside_each_other(
    examples: Sequence[Float[Tensor, "examples *shape"]],
) -> Float[Tensor, "clients places *shape"]:
    """The examples of each client, with NaN where there are no more."""
    nothing = examples[0].new_full((1, *examples[0].shape[1:]), torch.nan)
    return pad_sequence([one if len(one) else nothing for one in examples], batch_first=True, padding_value=torch.nan)

"""Secret code: bytes that look like noise and survive a few errors. ChaCha20, then Reed-Solomon block by block."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from jaxtyping import Bool
from reedsolo import ReedSolomonError, RSCodec
from torch import Tensor

BLOCK = 255
"""Bytes of a block, those for correction among them: as many as Reed-Solomon over bytes has."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """What was read of one client."""

    data: bytes
    corrected: int
    """Bytes that were wrong."""
    blocks: int
    lost: int
    """Blocks with more errors than can be corrected, whose bytes are as they were read."""


@dataclass(frozen=True, kw_only=True)
class SecretCode:
    """A key, and how many bytes of each block are for correction: half as many wrong ones are put right."""

    key: str
    parity: int

    def room(self, channel: int) -> int:
        """Bytes of data that go into so many bytes that are written."""
        whole, rest = divmod(channel, BLOCK)
        return whole * (BLOCK - self.parity) + max(0, rest - self.parity)

    def length(self, data: int) -> int:
        """Bytes that are written for so many bytes of data."""
        return data + self.parity * -(-data // (BLOCK - self.parity))

    def sealed(self, data: bytes, client: int) -> bytes:
        """Enciphered: what fills a payload up is noise too."""
        return self._stream(data, client)

    def written(self, sealed: bytes) -> bytes:
        """With what corrects errors behind each block."""
        return bytes(RSCodec(self.parity).encode(sealed)) if sealed else b""

    def read(self, channel: bytes, client: int) -> tuple[bytes, Read]:
        """What was sealed, with errors corrected as far as they can be, and what was read in it."""
        codec, sealed, corrected, lost = RSCodec(self.parity), b"", 0, 0
        blocks = list(_blocks(channel))
        for block in blocks:
            try:
                good, _, errors = codec.decode(block)
                sealed, corrected = sealed + bytes(good), corrected + len(errors)
            except ReedSolomonError:
                sealed, lost = sealed + block[: -self.parity], lost + 1
        data = self._stream(sealed, client)
        return sealed, Read(data=data, corrected=corrected, blocks=len(blocks), lost=lost)

    def _stream(self, data: bytes, client: int) -> bytes:
        """The key stream of each client is another, and undoes itself."""
        key = hashlib.sha256(self.key.encode()).digest()
        nonce = bytes(8) + client.to_bytes(8, "little")
        return Cipher(ChaCha20(key, nonce), mode=None).encryptor().update(data)


def bits_of(data: bytes) -> Bool[Tensor, " bits"]:
    """Most significant bit first."""
    return torch.from_numpy(np.unpackbits(np.frombuffer(data, np.uint8)).astype(bool))


def bytes_of(bits: Bool[Tensor, " bits"]) -> bytes:
    """Of whole bytes."""
    return np.packbits(bits.numpy()).tobytes()


def _blocks(channel: bytes) -> Iterator[bytes]:
    return (channel[first : first + BLOCK] for first in range(0, len(channel), BLOCK))

"""Container: examples as bytes. Each value as a few bits, the whole compressed where that makes it shorter."""

import struct
import zlib
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from fedleak.learning.input_space import InputSpace

HEAD = struct.Struct("<HHI")
"""How many examples there are, the complement of that, and the length of what is compressed; 0: nothing is."""
CHUNK = 64
"""Bytes that are decompressed in one go: of a damaged payload the examples before the damage come back."""


@dataclass(frozen=True, kw_only=True)
class Container:
    """How examples of a kind are put into bytes."""

    space: InputSpace
    depth: int
    """Bits of each value."""

    def certain(self, examples: int) -> int:
        """Bytes that so many examples take at most."""
        return HEAD.size - (-examples * self._values * self.depth // 8)

    def most(self, room: int) -> int:
        """How many examples fit into so many bytes for certain."""
        return max(0, (room - HEAD.size) * 8 // (self._values * self.depth))

    def packed(self, examples: Float[Tensor, "examples *shape"]) -> bytes:
        """The examples as bytes, in the shorter of two forms."""
        levels, count = self._levels(examples), len(examples)
        plain = _bits_of(levels, self.depth)
        pressed = zlib.compress(levels.tobytes(), level=6)
        body, length = (pressed, len(pressed)) if len(pressed) < len(plain) else (plain, 0)
        return HEAD.pack(count, count ^ 0xFFFF, length) + body

    def fitting(self, examples: Float[Tensor, "examples *shape"], room: int) -> int:
        """How many of these, the first ones, fit into so many bytes, found by halving."""
        few, many = 0, min(len(examples), 0xFFFF) + 1
        while many - few > 1:
            middle = (few + many) // 2
            few, many = (middle, many) if len(self.packed(examples[:middle])) <= room else (few, middle)
        return few

    def exact(self, examples: Float[Tensor, "examples *shape"]) -> Float[Tensor, "examples *shape"]:
        """The examples as they come back."""
        return self._values_of(self._levels(examples))

    def unpacked(self, data: bytes) -> Float[Tensor, "examples *shape"]:
        """The examples in bytes, the first ones where some are damaged; none where these are no such bytes."""
        nothing = torch.zeros(0, *self.space.shape)
        if len(data) < HEAD.size:
            return nothing
        count, complement, length = HEAD.unpack_from(data)
        if count ^ 0xFFFF != complement or length > len(data):
            return nothing
        body = data[HEAD.size :]
        if length:
            raw = np.frombuffer(_decompressed(body[:length], count * self._values), np.uint8)
        else:
            raw = _levels_of(body, self.depth)
        whole = min(count, len(raw) // self._values)
        return self._values_of(raw[: whole * self._values].reshape(whole, self._values))

    @property
    def _values(self) -> int:
        return prod(self.space.shape)

    @property
    def _top(self) -> int:
        return (1 << self.depth) - 1

    def _levels(self, examples: Float[Tensor, "examples *shape"]) -> UInt8[np.ndarray, "examples values"]:
        shares = self.space.shares(examples.double()).reshape(len(examples), self._values)
        return (shares * self._top).round().to(torch.uint8).numpy()

    def _values_of(self, levels: UInt8[np.ndarray, "examples values"]) -> Float[Tensor, "examples *shape"]:
        shares = torch.from_numpy(np.minimum(levels, self._top).astype(np.float64)) / self._top
        return self.space.at(shares).float().view(len(levels), *self.space.shape)


def _bits_of(levels: UInt8[np.ndarray, "examples values"], depth: int) -> bytes:
    """The lowest bits of each value, one value after the other."""
    bits = np.unpackbits(levels.reshape(-1, 1), axis=1)[:, 8 - depth :]
    return np.packbits(bits).tobytes()


def _levels_of(body: bytes, depth: int) -> UInt8[np.ndarray, " values"]:
    bits = np.unpackbits(np.frombuffer(body, np.uint8))
    values = bits[: len(bits) // depth * depth].reshape(-1, depth)
    return np.packbits(np.pad(values, ((0, 0), (8 - depth, 0))), axis=1).reshape(-1)


def _decompressed(body: bytes, most: int) -> bytes:
    """What there is before any damage, at most so many bytes."""
    found, machine = b"", zlib.decompressobj()
    for first in range(0, len(body), CHUNK):
        try:
            found += machine.decompress(body[first : first + CHUNK], max_length=max(most - len(found), 1))
        except zlib.error:
            break
    return found[:most]

"""Masks: key streams over a ring, added to a vector or taken from it in one pass.

All streams in turn for each piece of the vector, so that a piece and its streams stay in the processor's cache: about
1.2 times what the cipher alone takes.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from jaxtyping import UInt

PIECE = 128 * 1024
"""Bytes of a vector that all streams pass over before the next."""
ZEROS = memoryview(bytes(PIECE))
RINGS: Mapping[int, type[np.unsignedinteger]] = {64: np.uint64, 32: np.uint32}
"""The ring's elements by bits: the integers modulo 2^64 or 2^32."""
CIPHERS: Mapping[str, Callable[[bytes], CipherContext]] = {
    "aes-256-ctr": lambda key: Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor(),
    "chacha20": lambda key: Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor(),
}
"""Key streams by name of the cipher. A key is used for one mask and nothing else, so counters start from zero."""


@dataclass(frozen=True)
class Stream:
    """A mask: the key stream of a 32-byte key, added or taken away."""

    key: bytes
    added: bool

    @property
    def removed(self) -> "Stream":
        """What undoes it."""
        return Stream(self.key, not self.added)


def apply(vector: UInt[np.ndarray, " entries"], streams: Iterable[Stream], cipher: str) -> None:
    """Adds or takes away the streams, in place; `vector` is contiguous."""
    started = [(CIPHERS[cipher](stream.key), stream.added) for stream in streams]
    entries = PIECE // vector.itemsize
    buffer = np.empty(entries, dtype=vector.dtype.newbyteorder("<"))
    for start in range(0, len(vector), entries):
        place = vector[start : start + entries]
        drawn = buffer[: len(place)]
        view, zeros = drawn.data.cast("B"), ZEROS[: drawn.nbytes]
        for encryptor, added in started:
            encryptor.update_into(zeros, view)
            (np.add if added else np.subtract)(place, drawn, out=place)


def masked(
    vector: UInt[np.ndarray, " entries"], streams: Iterable[Stream], cipher: str
) -> UInt[np.ndarray, " entries"]:
    """A copy of the vector under the streams."""
    result = vector.copy()
    apply(result, streams, cipher)
    return result


def faster_cipher(size: int = 1 << 22, repeats: int = 3) -> str:
    """The cipher that gives `size` bytes sooner on this machine: AES where the processor knows it, else ChaCha20.

    For people to choose by: all clients of a session must use the same one.
    """
    return min(CIPHERS, key=lambda name: min(_seconds(name, size) for _ in range(repeats)))


def _seconds(cipher: str, size: int) -> float:
    encryptor, buffer = CIPHERS[cipher](bytes(32)), bytearray(PIECE)
    start = time.thread_time()
    for _ in range(0, size, PIECE):
        encryptor.update_into(ZEROS, buffer)
    return time.thread_time() - start

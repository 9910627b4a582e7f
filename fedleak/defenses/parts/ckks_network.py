"""A network under CKKS by TenSEAL: the user's keys, one ciphertext for an input, and an operator who evaluates it.

What crosses between the two is bytes. The operator has the model, the public keys and ciphertexts.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from torch import Tensor

from fedleak.contracts.private_inference import Cost, PrivateEvaluation
from fedleak.defenses.parts.network_steps import Affine
from fedleak.errors import ConfigError, FedleakError

SECURE_BITS = {8192: 218, 16384: 438, 32768: 881}
"""Of the modulus, at most, for 128 bits of security, by the degree of the ring (homomorphicencryption.org, 2018)."""
FINEST = 45
"""Bits of a scale that it takes without being asked to."""
HEADROOM = 15
"""Bits of the first prime above the scale: numbers stay below 2^14."""


def tenseal(defense: str) -> Any:
    """The library; raises `ConfigError` where it is not installed."""
    try:
        return import_module("tenseal")
    except ImportError as error:
        raise ConfigError(
            f'{defense} needs TenSEAL, which is not installed; pip install "fedleak[homomorphic]"'
        ) from error


def levels_of(activations: int) -> int:
    """Products one behind the other: a matrix for each segment, a square for each activation between two."""
    return 2 * activations + 1


@dataclass(frozen=True)
class Ring:
    """What ciphertexts are in: the least ring that has room, and in it the finest scale."""

    degree: int
    scale_bits: int
    levels: int

    @classmethod
    def of(cls, levels: int, scale_bits: int) -> "Ring | None":
        """At 128 bits of security, with a scale of so many bits or more; None where none has room."""
        for degree, most in SECURE_BITS.items():
            finest = (most - 2 * HEADROOM) // (levels + 2)
            if finest >= scale_bits:
                return cls(degree, max(scale_bits, min(finest, FINEST)), levels)
        return None

    @property
    def primes(self) -> list[int]:
        """Bits of the primes of the modulus: one to decrypt by, one for each product, one for keys alone."""
        outer = self.scale_bits + HEADROOM
        return [outer, *[self.scale_bits] * self.levels, outer]

    @property
    def slots(self) -> int:
        """Values that fit into a ciphertext."""
        return self.degree // 2


def with_one(affine: Affine, *, last: bool) -> NDArray[np.float64]:
    """The map as a matrix of what has a one behind it, so that a bias is no sum of its own; the last leaves no one.

    TenSEAL adds a plain vector to the first of the copies of a ciphertext's values alone, and the next product takes of
    all of them.
    """
    matrix = np.hstack([affine.weight, affine.bias[:, None]])
    return matrix if last else np.vstack([matrix, np.eye(1, matrix.shape[1], matrix.shape[1] - 1)])


class User:
    """Whoever asks: it has the keys, encrypts inputs and decrypts scores."""

    def __init__(self, defense: str, ring: Ring) -> None:
        self._library = tenseal(defense)
        self._context = self._library.context(
            self._library.SCHEME_TYPE.CKKS, ring.degree, coeff_mod_bit_sizes=ring.primes, n_threads=1
        )
        self._context.global_scale = 2.0**ring.scale_bits
        self._context.generate_galois_keys()

    def public(self) -> bytes:
        """The keys that an operator needs: to rotate and to square, not to decrypt."""
        kept: bytes = self._context.serialize(
            save_public_key=True, save_secret_key=False, save_galois_keys=True, save_relin_keys=True
        )
        return kept

    def encrypted(self, values: NDArray[np.float64]) -> bytes:
        """One input as one ciphertext, with a one behind it."""
        sealed: bytes = self._library.ckks_vector(self._context, [*values.tolist(), 1.0]).serialize()
        return sealed

    def decrypted(self, sealed: bytes) -> NDArray[np.float64]:
        """The scores."""
        return np.array(self._library.ckks_vector_from(self._context, sealed).decrypt())


class Operator:
    """Whoever has the model and answers; it cannot read what it is asked or what it says."""

    def __init__(self, defense: str, public: bytes, maps: Sequence[Affine]) -> None:
        self._library = tenseal(defense)
        self._context = self._library.context_from(public, n_threads=1)
        self._matrices = [with_one(one, last=place == len(maps) - 1).T.tolist() for place, one in enumerate(maps)]

    @property
    def can_decrypt(self) -> bool:
        """Whether it holds the secret key."""
        return bool(self._context.has_secret_key())

    def answer(self, sealed: bytes) -> bytes:
        """The encrypted scores of an encrypted input; raises `FedleakError` where that is no ciphertext of the user's.

        Between two maps each value is squared.
        """
        try:
            vector = self._library.ckks_vector_from(self._context, sealed)
            for number, matrix in enumerate(self._matrices):
                if number:
                    vector.square_()
                vector = vector.mm(matrix)
            answered: bytes = vector.serialize()
        except (ValueError, RuntimeError) as error:
            raise FedleakError(f"what was asked is no ciphertext that can be evaluated ({error})") from error
        return answered


class EncryptedEvaluation(PrivateEvaluation):
    """A user and an operator in one process, with bytes between them."""

    def __init__(self, defense: str, maps: Sequence[Affine], ring: Ring) -> None:
        self._user = User(defense, ring)
        public = self._user.public()
        self._once = len(public)
        self._operator = Operator(defense, public, maps)

    def scores(self, inputs: Float[Tensor, "asked *shape"]) -> tuple[Float64[Tensor, "asked classes"], Cost]:
        rows, cost = [], Cost(once=self._once)
        self._once = 0
        for values in inputs.flatten(1).double().numpy():
            started = time.process_time()
            question = self._user.encrypted(values)
            answer = self._operator.answer(question)
            rows.append(self._user.decrypted(answer))
            took = time.process_time() - started
            cost = cost.and_then(Cost(answers=1, seconds=took, uploaded=len(question), downloaded=len(answer)))
        return torch.from_numpy(np.stack(rows)), cost


def ring_for(task: str, defense: str, activations: int, scale_bits: int) -> Ring:
    """What a network is evaluated in; raises `ConfigError` where it is too deep for any ring."""
    ring = Ring.of(levels_of(activations), scale_bits)
    if ring is None:
        room = (max(SECURE_BITS.values()) - 2 * HEADROOM) // scale_bits - 2
        raise ConfigError(
            f"'{defense}' evaluates at most {(room - 1) // 2} activations at scale_bits = {scale_bits}, and '{task}' "
            f"has {activations}; take a network of fewer layers, or lower scale_bits"
        )
    return ring

"""CKKS by TenSEAL: keys, encryption, sums of ciphertexts, decryption. TenSEAL is imported when it is first needed."""

from collections.abc import Sequence
from functools import reduce
from importlib import import_module
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedleak.defenses.homomorphic_aggregation import HomomorphicAggregation
from fedleak.errors import ConfigError, FederationError


def tenseal() -> Any:
    """The library; raises `ConfigError` where it is not installed."""
    try:
        return import_module("tenseal")
    except ImportError as error:
        raise ConfigError(
            'homomorphic-aggregation needs TenSEAL, which is not installed; pip install "fedleak[homomorphic]"'
        ) from error


def _context(defense: HomomorphicAggregation) -> Any:
    library = tenseal()
    try:
        made = library.context(
            library.SCHEME_TYPE.CKKS,
            defense.poly_modulus_degree,
            coeff_mod_bit_sizes=list(defense.coeff_mod_bit_sizes),
            n_threads=1,
        )
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            f"homomorphic-aggregation: TenSEAL refuses degree {defense.poly_modulus_degree} with primes of "
            f"{defense.coeff_mod_bit_sizes} bits ({error}); lower the bits or raise poly_modulus_degree"
        ) from error
    made.global_scale = 2.0**defense.scale_bits
    return made


def new_key(defense: HomomorphicAggregation) -> bytes:
    """A fresh key pair of the system's randomness, the secret half included."""
    kept: bytes = _context(defense).serialize(
        save_public_key=True, save_secret_key=True, save_galois_keys=False, save_relin_keys=False
    )
    return kept


def encrypted(defense: HomomorphicAggregation, key: bytes, values: NDArray[np.float64]) -> bytes:
    """The values as ciphertexts, one behind the other."""
    library, slots = tenseal(), defense.poly_modulus_degree // 2
    context = library.context_from(key, n_threads=1)
    pieces = (values[at : at + slots] for at in range(0, len(values), slots))
    return _packed([library.ckks_vector(context, piece).serialize() for piece in pieces])


def added(defense: HomomorphicAggregation, sealed: Sequence[bytes]) -> bytes:
    """The sum of what clients encrypted, by parameters alone: whoever adds needs no key of theirs."""
    context = _context(defense)
    try:
        columns = zip(*(_read(context, one) for one in sealed), strict=True)
        return _packed([reduce(add, column).serialize() for column in columns])
    except (ValueError, RuntimeError) as error:
        raise FederationError(f"homomorphic-aggregation: what clients sent cannot be added up ({error})") from error


def decrypted(key: bytes, sealed: bytes) -> NDArray[np.float64]:
    """The values; raises where there is no ciphertext under this key's parameters."""
    try:
        vectors = _read(tenseal().context_from(key, n_threads=1), sealed)
        return np.concatenate([np.array(vector.decrypt()) for vector in vectors])
    except (ValueError, RuntimeError) as error:
        raise FederationError(f"homomorphic-aggregation: expected a ciphertext to open, got none ({error})") from error


def _packed(pieces: Sequence[bytes]) -> bytes:
    """Each piece behind its length."""
    return b"".join(len(piece).to_bytes(4, "big") + piece for piece in pieces)


def _read(context: Any, packed: bytes) -> list[Any]:
    """The ciphertexts in what was packed; raises `ValueError` for anything else."""
    found, at = [], 0
    while at < len(packed):
        end = at + 4 + int.from_bytes(packed[at : at + 4], "big")
        if end > len(packed):
            raise ValueError(f"{len(packed)} bytes end within a ciphertext")
        found.append(tenseal().ckks_vector_from(context, packed[at + 4 : end]))
        at = end
    return found

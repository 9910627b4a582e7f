"""Keys of secure aggregation: pairs and identities, what is derived from them, and sealed boxes.

X25519 (https://www.rfc-editor.org/rfc/rfc7748), Ed25519 (https://www.rfc-editor.org/rfc/rfc8032), HKDF-SHA256
(https://www.rfc-editor.org/rfc/rfc5869) and AES-256-GCM, all from `cryptography`. Keys are 32 bytes, signatures 64.
"""

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedleak.errors import FederationError

KEY, SIGNATURE, TAG = 32, 64, 16
"""Bytes of a key, of a signature, and that a sealed box is longer than what is in it."""
NONCE = bytes(12)
"""Each box has a key of its own, by sender, receiver and session, so one nonce does."""


@runtime_checkable
class Randomness(Protocol):
    """Where a client's secrets come from."""

    def __call__(self, size: int, /, *purpose: object) -> bytes:
        """`size` bytes for a purpose; another purpose, other bytes."""


def system(size: int, /, *purpose: object) -> bytes:  # noqa: ARG001  the operating system asks for no reason
    """Bytes of the operating system; never the same twice."""
    return os.urandom(size)


@dataclass(frozen=True)
class Seeded:
    """Bytes that follow from a seed key and a purpose, so that a run repeats; who knows the seed unmasks."""

    seed_key: tuple[object, ...]

    def __call__(self, size: int, /, *purpose: object) -> bytes:
        return seeded_bytes(size, self.seed_key, *purpose)


def seeded_bytes(size: int, *words: object) -> bytes:
    """`size` bytes of BLAKE2b over some words, in blocks of 64."""
    blocks = (repr((*words, block)).encode() for block in range(-(-size // 64)))
    return b"".join(hashlib.blake2b(block, person=b"fedleak secagg").digest() for block in blocks)[:size]


@dataclass(frozen=True)
class KeyPair:
    """An X25519 pair. Loads its private key once: that takes as long as an exchange."""

    private: bytes

    @cached_property
    def _loaded(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(self.private)

    @cached_property
    def public(self) -> bytes:
        """What is advertised, 32 bytes."""
        return self._loaded.public_key().public_bytes_raw()

    def exchange(self, other: bytes, owner: int) -> bytes:
        """The secret shared with client `owner`; a key of low order, or none at all, is refused."""
        try:
            return self._loaded.exchange(X25519PublicKey.from_public_bytes(other))
        except ValueError as error:
            raise FederationError(
                f"secure-aggregation: client {owner} must advertise an X25519 public key, and what came is none"
            ) from error


def derive(secret: bytes, purpose: str, context: bytes, *bound: bytes) -> bytes:
    """32 bytes of HKDF-SHA256, bound to a purpose, a context and more; every part goes in with its length."""
    parts = (b"fedleak secure aggregation", purpose.encode(), context, *bound)
    info = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return HKDF(algorithm=SHA256(), length=KEY, salt=None, info=info).derive(secret)


def pair_key(pair: KeyPair, own: int, other: int, public: bytes, purpose: str, context: bytes) -> bytes:
    """The key that clients `own` and `other` share for a purpose; the same from either side.

    Bound to both identifiers and both public keys, the lower client first.
    """
    secret = pair.exchange(public, other)
    (low, low_key), (high, high_key) = sorted([(own, pair.public), (other, public)])
    return derive(secret, purpose, context, number(low), number(high), low_key, high_key)


def number(client: int) -> bytes:
    """A client on the wire: 4 bytes."""
    return client.to_bytes(4, "big")


def seal(key: bytes, content: bytes, associated: bytes) -> bytes:
    """A box that only the holder of the key opens, and only with the same associated data."""
    return AESGCM(key).encrypt(NONCE, content, associated)


def unseal(key: bytes, box: bytes, associated: bytes, sender: int, receiver: int) -> bytes:
    """What is in a box; one that is forged, cut or for somebody else is refused."""
    try:
        return AESGCM(key).decrypt(NONCE, box, associated)
    except (InvalidTag, ValueError) as error:
        raise FederationError(
            f"secure-aggregation: the box from client {sender} must open with the key that it shares with client "
            f"{receiver}, and does not"
        ) from error


def identity_key(private: bytes) -> bytes:
    """The Ed25519 public key of an identity."""
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def sign(private: bytes, statement: bytes) -> bytes:
    """An Ed25519 signature, 64 bytes, the same for the same statement."""
    return Ed25519PrivateKey.from_private_bytes(private).sign(statement)


def verify(public: bytes, signature: bytes, statement: bytes, signer: int) -> None:
    """Refuses a signature of client `signer` that is not one of this statement."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, statement)
    except (InvalidSignature, ValueError) as error:
        raise FederationError(
            f"secure-aggregation: client {signer} must sign what it states, and the signature that came is not its own"
        ) from error

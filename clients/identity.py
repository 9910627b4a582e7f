"""Identity of a client: its own Ed25519 key, and the registry of everybody's, both as files of OpenSSH.

`ssh-keygen -t ed25519 -N "" -f client-0` makes an identity; the registry has a line `0 ssh-ed25519 AAAA…` for each
client, as in an `allowed_signers` file (ssh-keygen(1)). In an experiment both may follow from the seed.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from fedleak.errors import ConfigError, echo
from fedleak.secure_aggregation.keys import KEY, identity_key, seeded_bytes


def read_identity(path: Path, place: str) -> bytes:
    """The private key in a file that ssh-keygen made, 32 bytes; raises `ConfigError` where it is none."""
    wanted = f'{place}: expected a private key as `ssh-keygen -t ed25519 -N "" -f FILE` makes it'
    try:
        key = load_ssh_private_key(_content(path, wanted), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{wanted}, got something else in {path} ({error})") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{wanted}, got one of another kind in {path}")
    return key.private_bytes_raw()


def read_registry(path: Path, place: str) -> Mapping[int, bytes]:
    """Every client's public key, 32 bytes; raises `ConfigError` where a line is none or a key or client comes twice."""
    wanted = f"{place}: expected a line `CLIENT ssh-ed25519 KEY` for each client"
    text = _content(path, wanted).decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    registry: dict[int, bytes] = {}
    for line in lines:
        client, _, rest = line.partition(" ")
        key = _public(rest)
        if not client.isdecimal() or key is None:
            raise ConfigError(f"{wanted}, got {echo(line)} in {path}")
        if int(client) in registry or key in registry.values():
            twice = f"client {client}" if int(client) in registry else f"the key of client {client}"
            raise ConfigError(f"{wanted}, with each client and each key once, got {twice} twice in {path}")
        registry[int(client)] = key
    if not registry:
        raise ConfigError(f"{wanted}, got none in {path}")
    return registry


def seeded_identity(seed: int, client: int) -> bytes:
    """The private key of a client in an experiment, 32 bytes that follow from the seed: the same in all rounds."""
    return seeded_bytes(KEY, seed, "identity", client)


@lru_cache(maxsize=8)
def seeded_registry(seed: int, clients: int) -> Mapping[int, bytes]:
    """Everybody's public key in an experiment: stands for keys that were exchanged where the server could not see."""
    return {client: identity_key(seeded_identity(seed, client)) for client in range(clients)}


def _public(text: str) -> bytes | None:
    try:
        key = load_ssh_public_key(text.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key.public_bytes_raw() if isinstance(key, Ed25519PublicKey) else None


def _content(path: Path, wanted: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{wanted}, cannot read {path} ({error.strerror})") from error

"""Consistency on the client: it signs a hash of the model that it is sent, and reads the signed hashes of the others.

The signature is by the node's identity key or, where it has none, by one that is made up for the round: without a
registry that binds nobody. A client signs one model a round, or else a server could gather signatures under each.
"""

from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from flwr.app import ConfigRecord, Context, RecordDict

from fedleak.defenses.model_consistency import compares
from fedleak.errors import FederationError
from fedleak.federation import wire

from .client import Client
from .history import require_planned

SIGNED = "fedleak.signed-model"
"""The record in the client's state: the last round whose model it signed, and that."""
ROUND = "round"
PURPOSE = b"fedleak model consistency"


def signed(client: Client, content: RecordDict, context: Context) -> ConfigRecord:
    """The client's word which model it was sent; refuses a second one in a round, and earlier rounds."""
    if not compares(client.plan.defenses()):
        raise FederationError("the server asks to compare models, and no defense of the run does; this client refuses")
    require_planned(client.plan, client.round)
    digest = wire.model_digest(content)
    known = context.state.config_records.get(SIGNED, ConfigRecord())
    last = int(str(known.get(ROUND, 0)))
    if last > client.round or (last == client.round and known[wire.DIGEST] != digest):
        raise FederationError(
            f"the server asks for a signature under a model of round {client.round}, and this client has signed "
            f"another in round {last}; it refuses"
        )
    context.state[SIGNED] = ConfigRecord({ROUND: client.round, wire.DIGEST: digest})
    own = client.floor.identity
    key = Ed25519PrivateKey.generate() if own is None else Ed25519PrivateKey.from_private_bytes(own)
    return ConfigRecord(
        {
            wire.DIGEST: digest,
            wire.SIGNATURE: key.sign(_text(client, client.partition, digest)),
            wire.KEY: key.public_key().public_bytes_raw(),
        }
    )


def digests_of(client: Client, content: RecordDict) -> Mapping[int, bytes] | None:
    """The model of each client of the round whose signature is good, by the registry where this node has one.

    None where clients do not compare models. A client or a key that comes twice counts once.
    """
    if not compares(client.plan.defenses()):
        return None
    found: dict[int, bytes] = {}
    keys: set[bytes] = set()
    registry = client.floor.registry
    for other, digest, signature, key in wire.signed_models(content):
        own = registry is None or registry.get(other) == key
        if own and other not in found and key not in keys and _is_good(key, signature, _text(client, other, digest)):
            found[other] = digest
            keys.add(key)
    return found


def _text(client: Client, signer: int, digest: bytes) -> bytes:
    """What is signed: a model, by whom, in which round of which run."""
    return b"/".join([PURPOSE, client.plan.session_name(client.round), str(signer).encode(), digest])


def _is_good(key: bytes, signature: bytes, text: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True

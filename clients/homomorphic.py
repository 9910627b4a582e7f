"""Homomorphic aggregation on the client: it encrypts its update, and opens sums with the key that clients share.

The key lies in the clients' vault, which the server does not read: whoever reads that folder opens every update. The
first client that needs it makes it, of the system's randomness. Clients on machines of their own are given the file.
"""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from flwr.app import ConfigRecord, Message

from fedleak.accounting.mechanism import cohort_of
from fedleak.contracts.chain import Chain
from fedleak.defenses.homomorphic_aggregation import HomomorphicAggregation
from fedleak.defenses.parts.ckks import decrypted, encrypted, new_key
from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.io.atomic import make_private

from .client import Client, Trained
from .history import require_planned


def homomorphic_of(chain: Chain) -> HomomorphicAggregation:
    """The protocol of a chain; raises where it has another."""
    if not isinstance(chain.protocol, HomomorphicAggregation):
        raise FederationError("the server asks to open a sum of ciphertexts, and the run has none; this client refuses")
    return chain.protocol


def sealed(client: Client, trained: Trained) -> ConfigRecord:
    """What the client has to say after training, encrypted."""
    defense = homomorphic_of(client.plan.defenses())
    vector = defense.vector(trained.before, trained.after, trained.examples, cohort_of(client.plan.federation))
    return ConfigRecord({wire.ANSWER: encrypted(defense, _key(client, defense), vector)})


def opened(client: Client, message: Message) -> ConfigRecord:
    """The sum that the server may see. That it is one, and no single update, no client can tell."""
    defense = homomorphic_of(client.plan.defenses())
    require_planned(client.plan, client.round)
    question = wire.question_of(message.content)
    if not isinstance(question, bytes):
        raise FederationError("expected a ciphertext to open, got none; this client refuses")
    total = decrypted(_key(client, defense), question)
    return ConfigRecord({wire.ANSWER: np.asarray(total, "<f8").tobytes()})


def _key(client: Client, defense: HomomorphicAggregation) -> bytes:
    bits = "-".join(str(one) for one in (*defense.coeff_mod_bit_sizes, defense.scale_bits))
    path = Path(client.plan.vault) / f"ckks-{defense.poly_modulus_degree}-{bits}.key"
    if not path.exists():
        _make(path, defense)
    return path.read_bytes()


def _make(path: Path, defense: HomomorphicAggregation) -> None:
    """Makes the key, for its owner alone to read; where several do so at once, one of theirs stays."""
    make_private(path.parent)
    with NamedTemporaryFile(dir=path.parent) as file:
        file.write(new_key(defense))
        file.flush()
        try:
            os.link(file.name, path)
        except FileExistsError:
            return

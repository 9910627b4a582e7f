"""Wire format: the one place where Flower's records become tensors and ring elements, and back."""

from hashlib import sha256
from math import prod
from typing import Any

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from numpy.typing import NDArray

from fedleak.errors import ConfigError
from fedleak.learning.weights import NamedTensors

ARRAYS = "arrays"
METRICS = "metrics"
CONFIG = "config"
MASKED = "masked"
KEPT = "fedleak.kept"
KEPT_BEFORE = "fedleak.kept-before"
COHORT = "secure-aggregation"
COST = "cost"
"""What a client says about its own effort; the server's meter takes it out of the reply."""

NUM_EXAMPLES = "num-examples"
TRAIN_LOSS = "train_loss"
ROUND = "server-round"
FINGERPRINT = "fingerprint"
PRETRAINING = "pretraining"
PARTITION = "partition-id"
PUBLIC_KEY = "public-key"
SECONDS = "seconds"
MEMORY = "memory"

KEY_AGREEMENT = "train.secagg_setup"
CLIENT_FAILED = 2
"""Flower's code for an exception in a ClientApp."""


def to_arrays(state: NamedTensors) -> ArrayRecord:
    """A state dict as Flower's arrays, bit for bit; raises `ConfigError` for bfloat16, which numpy does not have."""
    for name, value in state.items():
        if value.dtype is torch.bfloat16:
            raise ConfigError(f"'{name}' is bfloat16, which Flower's arrays cannot carry; use float32 or float16")
    return ArrayRecord({name: Array(value.detach().cpu().contiguous().numpy()) for name, value in state.items()})


def to_tensors(record: ArrayRecord) -> NamedTensors:
    """A copy of Flower's arrays as a state dict, in memory of torch's own (and so with torch's alignment)."""
    return {name: torch.tensor(_elements(array)) for name, array in record.items()}


def _elements(array: Array) -> NDArray[Any]:
    """The array without numpy's parser of file headers, which costs more than a small array itself."""
    dtype = np.dtype(array.dtype)
    size = dtype.itemsize * prod(array.shape)
    if size == 0 or array.stype != "numpy.ndarray" or b"'fortran_order': False" not in array.data[:128]:
        return array.numpy()
    return np.frombuffer(array.data, dtype, offset=len(array.data) - size).reshape(array.shape)


def public_keys_of(content: RecordDict) -> dict[str, str]:
    """Each client of the cohort with its public key in hexadecimal, as the server relays them; none without masks."""
    return {client: str(key) for client, key in content.config_records.get(COHORT, {}).items()}


def to_ring(record: ArrayRecord) -> NDArray[np.uint64]:
    """The masked vector of a reply."""
    return record[MASKED].numpy().astype(np.uint64, copy=False)


def from_ring(vector: NDArray[np.uint64]) -> ArrayRecord:
    """A masked vector as Flower's arrays."""
    return ArrayRecord({MASKED: Array(vector)})


def arrays_of(content: RecordDict) -> ArrayRecord:
    """The one record of arrays, under whatever name the strategy gave it."""
    return next(iter(content.array_records.values()))


def metrics_of(content: RecordDict) -> dict[str, float]:
    """The scalar metrics of a reply."""
    return {
        key: float(value)
        for record in content.metric_records.values()
        for key, value in record.items()
        if isinstance(value, int | float)
    }


def config_of(content: RecordDict) -> ConfigRecord:
    """The record that says which round it is, under whatever name the strategy gave it."""
    return next(record for record in content.config_records.values() if ROUND in record)


def round_of(content: RecordDict) -> int:
    """The round that a message belongs to."""
    return int(str(config_of(content)[ROUND]))


def kept_of(context: Context, *, before: bool = False) -> NamedTensors:
    """What the client's last round left for this one, or what it started `before` that from; at first nothing."""
    record = context.state.array_records.get(KEPT_BEFORE if before else KEPT)
    return {} if record is None else to_tensors(record)


def keep(context: Context, kept: NamedTensors, before: NamedTensors) -> None:
    """Leaves something for the client's next round, where only the client can see it, and what there was `before`."""
    if kept:
        context.state[KEPT], context.state[KEPT_BEFORE] = to_arrays(kept), to_arrays(before)


def digest_of(content: RecordDict) -> str:
    """SHA-256 in hexadecimal of all that a message carries, whatever the order of its records."""
    digest = sha256()
    for name, record in sorted(content.items()):
        for key, value in sorted(record.items()):
            digest.update(repr((name, key)).encode())
            if isinstance(value, Array):
                digest.update(repr((value.dtype, tuple(value.shape), value.stype, len(value.data))).encode())
                digest.update(value.data)
            else:
                digest.update(repr(value).encode())
    return digest.hexdigest()


def bytes_of(content: RecordDict) -> int:
    """The size of what a message carries, as Flower counts it."""
    return sum(record.count_bytes() for record in content.values())


def answer(message: Message, **records: ArrayRecord | MetricRecord | ConfigRecord) -> Message:
    """A reply with these records."""
    return Message(RecordDict(dict(records)), reply_to=message)


def refuse(message: Message, error: Exception) -> Message:
    """A reply that says what went wrong, as `ErrorType: sentence`."""
    return Message(Error(code=CLIENT_FAILED, reason=f"{type(error).__name__}: {error}"), reply_to=message)

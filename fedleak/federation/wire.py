"""Wire format: the one place where Flower's records become tensors and ring elements, and back."""

from collections.abc import Mapping
from hashlib import sha256
from math import prod
from typing import Any

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Error, Message, MessageType, MetricRecord, RecordDict
from jaxtyping import UInt
from numpy.typing import NDArray

from fedleak.errors import ConfigError, FederationError, echo
from fedleak.learning.weights import NamedTensors
from fedleak.recording import diary
from fedleak.secure_aggregation.messages import STAGES

ARRAYS = "arrays"
METRICS = "metrics"
CONFIG = "config"
MASKED = "masked"
KEPT = "fedleak.kept"
KEPT_BEFORE = "fedleak.kept-before"
SECURE_AGGREGATION = "secure-aggregation"
"""The record of a stage of secure aggregation: a question, or the answer to it."""
QUESTION, ANSWER = "question", "answer"
COST = "cost"
"""What a client says about its own effort; the server's meter takes it out of the reply."""

NUM_EXAMPLES = "num-examples"
TRAIN_LOSS = "train_loss"
ROUND = "server-round"
FINGERPRINT = "fingerprint"
PRETRAINING = "pretraining"
PARTITION = "partition-id"
SECONDS = "seconds"
MEMORY = "memory"

MESSAGE_TYPES: Mapping[str, str] = {
    stage: MessageType.TRAIN if stage == MASKED else f"{MessageType.TRAIN}.secagg_{stage}" for stage in STAGES
}
"""By stage of secure aggregation; what is masked is the reply to the training message itself."""
OPEN_SUM = f"{MessageType.TRAIN}.open_sum"
"""Asks a client to decrypt a sum of ciphertexts."""
STUDENT = f"{MessageType.TRAIN}.student"
"""Asks a client to train a student on public examples, with the labels that are in the question."""
COMPARE = f"{MessageType.TRAIN}.compare"
"""Asks a client which model it was sent, and for its signature under that, before it trains."""
MODELS, DIGEST, SIGNATURE, KEY, CLIENT = "signed-models", "digest", "signature", "key", "client"
"""The record of these answers, of one client or of all, and what is in it."""
VOTES = "votes"
COUNT = f"{MessageType.QUERY}.rows"
"""Asks a party how many rows it has."""
FORWARD = f"{MessageType.QUERY}.forward"
"""Asks a party for what its bottom network makes of rows."""
TOP = f"{MessageType.TRAIN}.top"
"""Gives the active party what the others sent, and asks for the slopes that it takes back to them."""
BACKWARD = f"{MessageType.TRAIN}.backward"
"""Gives a party the slope for what it sent."""
ASSESS = f"{MessageType.EVALUATE}.top"
"""Gives the active party what the others sent of the test rows, and asks how good the joint network is."""
FIT = f"{MessageType.TRAIN}.fit"
"""Asks a party to fit a decision tree to rows, together with all others."""
PART = f"{MessageType.QUERY}.part"
"""Asks a party for its part of the joint network, where that leaves the federation."""
ROWS, EMBEDDING, SLOPE = diary.ROWS, diary.EMBEDDING, diary.SLOPE
STEP, STEPS = "step", "steps"
LAST_ROUND, LAST_STEP = "last-round", "last-step"
"""The step that all parties have last taken: one that has lost its weights knows it by that."""
TRAIN, TEST = "train", "test"
SPLITS = (TRAIN, TEST)
_SIGNED = (DIGEST, SIGNATURE, KEY)
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


def asking(question: bytes | None) -> dict[str, ConfigRecord]:
    """The record of a question of secure aggregation; none in the first stage, which asks nothing."""
    return {} if question is None else {SECURE_AGGREGATION: ConfigRecord({QUESTION: question})}


def question_of(content: RecordDict) -> object:
    """What a stage of secure aggregation asks; None where that is nothing."""
    record = content.config_records.get(SECURE_AGGREGATION)
    return None if record is None else record.get(QUESTION)


def answer_of(content: RecordDict) -> object:
    """What a client answers in a stage of secure aggregation: bytes, a masked vector, or whatever else came."""
    if SECURE_AGGREGATION in content.config_records:
        return content.config_records[SECURE_AGGREGATION].get(ANSWER)
    if not content.array_records or MASKED not in arrays_of(content):
        return None
    try:
        return arrays_of(content)[MASKED].numpy()
    except Exception:  # noqa: BLE001  numpy raises whatever it comes across in an array that is none
        return None


def from_ring(vector: UInt[np.ndarray, " entries"]) -> ArrayRecord:
    """A masked vector as Flower's arrays."""
    return ArrayRecord({MASKED: Array(vector)})


def arrays_of(content: RecordDict) -> ArrayRecord:
    """The one record of arrays, under whatever name the strategy gave it."""
    if not content.array_records:
        raise FederationError("expected a message with a record of arrays, got none")
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
    found = next((record for record in content.config_records.values() if ROUND in record), None)
    if found is None:
        raise FederationError(f"expected a message with a config record that has '{ROUND}', got none")
    return found


def round_of(content: RecordDict) -> int:
    """The round that a message belongs to."""
    round = config_of(content)[ROUND]
    if not isinstance(round, int):
        raise FederationError(f"expected a whole number for '{ROUND}', got {echo(round)}")
    return round


def rounds_behind(content: RecordDict) -> float:
    """How many rounds of split training are over with a step, the part of its own among them."""
    config = config_of(content)
    return round_of(content) - 1 + int(str(config.get(STEP, 0))) / max(1, int(str(config.get(STEPS, 0))))


def kept_of(context: Context, *, before: bool = False) -> NamedTensors:
    """What the client's last round left for this one, or what it started `before` that from; at first nothing."""
    record = context.state.array_records.get(KEPT_BEFORE if before else KEPT)
    return {} if record is None else to_tensors(record)


def keep(context: Context, kept: NamedTensors, before: NamedTensors) -> None:
    """Leaves something for the client's next round, where only the client can see it, and what there was `before`."""
    if kept:
        context.state[KEPT], context.state[KEPT_BEFORE] = to_arrays(kept), to_arrays(before)


def model_digest(content: RecordDict) -> bytes:
    """SHA-256 of the model in a message, 32 bytes: what masks are bound to."""
    return bytes.fromhex(digest_of(RecordDict({ARRAYS: arrays_of(content)})))


def models_signed(said: Mapping[int, RecordDict]) -> ConfigRecord:
    """What clients say which model they were sent, as one record; who says nothing of the kind is out."""
    known = {client: content.config_records.get(MODELS, ConfigRecord()) for client, content in sorted(said.items())}
    whole = {client: one for client, one in known.items() if all(isinstance(one.get(k), bytes) for k in _SIGNED)}
    columns: Any = {name: [one[name] for one in whole.values()] for name in _SIGNED}
    return ConfigRecord({CLIENT: list(whole), **columns})


def signed_models(content: RecordDict) -> list[tuple[int, bytes, bytes, bytes]]:
    """The same out of a message: client, digest, signature and public key of each; of no such record nothing."""
    record = content.config_records.get(MODELS, ConfigRecord())
    clients, *columns = (record.get(name, []) for name in (CLIENT, *_SIGNED))
    lists = [one if isinstance(one, list) else [] for one in (clients, *columns)]
    rows = zip(*lists, strict=False)
    return [row for row in rows if isinstance(row[0], int) and all(isinstance(value, bytes) for value in row[1:])]


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
    """The size of what a message carries, as Flower counts it; texts and lists with nothing in them count nothing."""
    return sum(_counted(record).count_bytes() for record in content.values())


def _counted(record: ArrayRecord | MetricRecord | ConfigRecord) -> ArrayRecord | MetricRecord | ConfigRecord:
    """The record without the empty values, of which Flower's own count wants none."""
    if not isinstance(record, ConfigRecord):
        return record
    return ConfigRecord({key: value for key, value in record.items() if value not in ("", b"", [])})


def answer(message: Message, **records: ArrayRecord | MetricRecord | ConfigRecord) -> Message:
    """A reply with these records."""
    return Message(RecordDict(dict(records)), reply_to=message)


def refuse(message: Message, error: Exception) -> Message:
    """A reply that says what went wrong, as `ErrorType: sentence`."""
    return Message(Error(code=CLIENT_FAILED, reason=f"{type(error).__name__}: {error}"), reply_to=message)

"""Flower's SecAgg+ on the wire: its stages, and what its records say to those who read along."""

from collections.abc import Mapping, Sequence

import numpy as np
from flwr.app import ConfigRecord, RecordDict
from flwr.common import bytes_to_ndarray
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key
from flwr.common.secure_aggregation.secaggplus_constants import Stage as Flower
from jaxtyping import UInt32
from numpy.typing import NDArray

from fedleak.errors import FederationError, echo
from fedleak.settings.dropouts import Stage

STAGES: Mapping[str, Stage] = {
    Flower.SETUP: "advertise",
    Flower.SHARE_KEYS: "share",
    Flower.COLLECT_MASKED_VECTORS: "masked",
    Flower.UNMASK: "unmask",
}
"""Flower's stages by the names that experiments have for them; there is no list of survivors to confirm."""


def record_of(content: RecordDict) -> ConfigRecord:
    """Flower's own record in a message; raises `FederationError` where there is none."""
    record = content.config_records.get(RECORD_KEY_CONFIGS)
    if record is None:
        raise FederationError(
            f"expected a message of Flower's SecAgg+, with the record '{RECORD_KEY_CONFIGS}'; got none"
        )
    return record


def stage_of(content: RecordDict) -> Stage:
    """The stage that a message asks for."""
    stage = str(record_of(content).get(Key.STAGE))
    if stage not in STAGES:
        raise FederationError(f"expected a stage of Flower's SecAgg+, one of {', '.join(STAGES)}; got {echo(stage)}")
    return STAGES[stage]


def masked_vector(content: RecordDict) -> UInt32[np.ndarray, " entries"] | None:
    """The masked arrays of a reply as one vector, the weight first; None where something else came."""
    try:
        vector = np.concatenate([np.asarray(array).reshape(-1) for array in masked_arrays(content)])
    except Exception:  # noqa: BLE001  numpy raises whatever it comes across in bytes that are no array
        return None
    fits = vector.dtype.kind in "iu" and vector.size > 1 and vector.min() >= 0 and vector.max() < 2**32
    return vector.astype(np.uint32) if fits else None


def masked_arrays(content: RecordDict) -> list[NDArray[np.int64]]:
    """The masked arrays of a reply, the weight first."""
    return [bytes_to_ndarray(one) for one in _list(record_of(content), Key.MASKED_PARAMETERS)]


def examples_of(content: RecordDict) -> int | None:
    """The number of examples, which Flower's mod leaves in the clear."""
    record = content.metric_records.get("fitres.num_examples")
    value = None if record is None else record.get("num_examples")
    return value if isinstance(value, int) else None


def metrics_of(content: RecordDict) -> dict[str, float]:
    """The metrics of a reply, which it leaves in the clear too."""
    record = content.config_records.get("fitres.metrics")
    items = () if record is None else record.items()
    return {key: float(value) for key, value in items if isinstance(value, int | float)}


def keys_in(content: RecordDict) -> dict[int, bytes]:
    """By node, the public keys for masks that are relayed to a client: its neighbours' and its own."""
    return {int(node): _list(record_of(content), node)[0] for node in record_of(content) if node != Key.STAGE}


def shares_in(content: RecordDict) -> list[tuple[int, bytes]]:
    """The shares that a client gives out when masks are to be removed, each with the node whose secret it is of."""
    record = record_of(content)
    nodes, shares = record.get(Key.NODE_ID_LIST), _list(record, Key.SHARE_LIST)
    return list(zip((int(str(node)) for node in nodes), shares, strict=True)) if isinstance(nodes, list) else []


def sources_in(content: RecordDict) -> list[int]:
    """The nodes whose boxes a client is given before it sends its vector, which has masks with each of them."""
    nodes = record_of(content).get(Key.SOURCE_LIST)
    return [int(str(node)) for node in nodes] if isinstance(nodes, list) else []


def folded(secret: bytes) -> int:
    """The 32 bits that are left of a secret as the seed of a mask: its words, each against each."""
    return int(np.bitwise_xor.reduce(np.frombuffer(secret, "<u4")))


def _list(record: ConfigRecord, key: str) -> Sequence[bytes]:
    found = record.get(key)
    return [one for one in found if isinstance(one, bytes)] if isinstance(found, list) else []

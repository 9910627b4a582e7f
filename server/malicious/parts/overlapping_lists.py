"""Lists of survivors and dropouts that overlap, under Flower's protocol, whose clients do not compare them."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.common.secure_aggregation.crypto.shamir import combine_shares
from flwr.common.secure_aggregation.crypto.symmetric_encryption import generate_shared_key
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key
from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen
from flwr.supercore.primitives.asymmetric import bytes_to_private_key, bytes_to_public_key
from numpy.typing import NDArray

from fedleak.defenses.secure_aggregation_flower import SecureAggregationFlower, flower_masking_of
from fedleak.federation import wire
from fedleak.federation.secagg_plus import (
    examples_of,
    keys_in,
    masked_arrays,
    record_of,
    shares_in,
    sources_in,
    stage_of,
)
from fedleak.learning.weights import NamedTensors, frozen_in
from fedleak.settings.dropouts import Stage

from ...layer import Layer
from ...secagg_plus import state_of
from .place import Place

Arrays = Sequence[NDArray[np.int64]]


class OverlappingLists(Layer):
    """Below the protocol: puts the victim on the list of who is gone too, and tells the workflow nothing of it."""

    def __init__(self, inner: Layer, victim: int, place: Place) -> None:
        super().__init__(inner)
        defense = flower_masking_of(place.plan.defenses())
        assert defense is not None
        self._defense: SecureAggregationFlower = defense
        self._victim = victim
        self._place = place
        self._heard: dict[Stage, tuple[RecordDict, RecordDict]] = {}
        """By stage what the victim was asked and answered, in the round that is going on."""

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = list(messages)
        if not sent or RECORD_KEY_CONFIGS not in sent[0].content or not self._place.lies_in(_round(sent)):
            return self.inner.send_and_receive(sent, timeout=timeout)
        stage, node = stage_of(sent[0].content), self._place.roster.node_of(self._victim)
        if stage == "unmask" and "masked" in self._heard:
            return self._unmasked(sent, node, timeout)
        if stage == "advertise":
            self._heard.clear()
        asked = {message.metadata.dst_node_id: message.content for message in self.leaving(sent)}
        replies = list(self.inner.send_and_receive(sent, timeout=timeout))
        for reply in replies:
            if reply.metadata.src_node_id == node and not reply.has_error():
                self._heard[stage] = asked[node], reply.content
        return replies

    def _unmasked(self, sent: list[Message], victim: int, timeout: float | None) -> list[Message]:
        own, private = list[bytes](), list[bytes]()
        replies = list(self.inner.send_and_receive([_said_gone(one, victim) for one in sent], timeout=timeout))
        for reply in replies:
            if reply.has_error():
                continue
            honest, asked_for = _apart(shares_in(reply.content), victim)
            own += [share for node, share in honest if node == victim]
            private += asked_for
            record = record_of(reply.content)
            record[Key.NODE_ID_LIST] = [node for node, _ in honest]
            record[Key.SHARE_LIST] = [share for _, share in honest]
        if own and private:
            self._open(victim, _round(sent), combine_shares(own), combine_shares(private))
        return replies

    def _open(self, victim: int, round: int, seed: bytes, private: bytes) -> None:
        question, answer = self._heard["masked"]
        vector = masked_arrays(answer)
        masks = list(self._masks(victim, seed, private, [array.shape for array in vector]))
        bare = [
            (array - sum(parts)) % self._defense.modulus_range for array, *parts in zip(vector, *masks, strict=True)
        ]
        examples = examples_of(answer) or 0
        self._place.keep(self._victim, round, self._state(question, bare), examples)

    def _masks(self, victim: int, seed: bytes, private: bytes, shapes: list[tuple[int, ...]]) -> Iterator[Arrays]:
        """Those that the victim added to its vector."""
        size, keys = self._defense.modulus_range, keys_in(self._heard["share"][0])
        yield pseudo_rand_gen(seed, size, shapes)
        for node in sources_in(self._heard["masked"][0]):
            shared = generate_shared_key(bytes_to_private_key(private), bytes_to_public_key(keys[node]))
            mask = pseudo_rand_gen(shared, size, shapes)
            yield mask if victim > node else [-array for array in mask]

    def _state(self, question: RecordDict, bare: Arrays) -> NamedTensors:
        """The weights behind elements, of which the first is what they are multiplied by."""
        defense, before = self._defense, self._place.recorder.weights(question)
        weight = float(bare[0].reshape(-1)[0]) / defense.quantization_range
        numbers = [torch.from_numpy((one * defense.step - defense.clipping_range) / weight) for one in bare[1:]]
        return state_of(before, numbers, frozen_in(self._place.plan.public_task().network))


def _said_gone(message: Message, victim: int) -> Message:
    """The question with the victim on the list of who is gone too, where it is on the other."""
    record = record_of(message.content)
    there, gone = record[Key.ACTIVE_NODE_ID_LIST], record[Key.DEAD_NODE_ID_LIST]
    assert isinstance(there, list)
    assert isinstance(gone, list)
    if victim not in there:
        return message
    content = RecordDict(
        {**message.content, RECORD_KEY_CONFIGS: ConfigRecord({**record, Key.DEAD_NODE_ID_LIST: [*gone, victim]})}
    )
    metadata = message.metadata
    return Message(content, metadata.dst_node_id, metadata.message_type, group_id=metadata.group_id)


def _apart(shares: list[tuple[int, bytes]], victim: int) -> tuple[list[tuple[int, bytes]], list[bytes]]:
    """The shares that an honest server asks for, and that of the victim's private key, which comes after its other."""
    places = [place for place, (node, _) in enumerate(shares) if node == victim]
    if len(places) < 2:
        return shares, []
    return [one for place, one in enumerate(shares) if place != places[1]], [shares[places[1]][1]]


def _round(sent: list[Message]) -> int:
    return wire.round_of(sent[0].content)

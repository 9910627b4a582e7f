"""A recording: one message that the server saw, as a file that can be kept, sent, and attacked again next year."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from math import ldexp, sqrt
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import MaskedVector, Observation
from fedleak.defenses.secure_aggregation import SecureAggregation, masking_of
from fedleak.defenses.secure_aggregation_flower import flower_masking_of, sendable
from fedleak.errors import RecordingError
from fedleak.io.tensors import read_pair, write_pair
from fedleak.learning.mean_change import shaped
from fedleak.learning.source import Source
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import NamedTensors, Weights, frozen_in
from fedleak.secure_aggregation.ring import Elements
from fedleak.settings.task import TaskSettings
from fedleak.tasks import hardened, source_of

FORMAT = "fedleak-recording-1"
RING = "ring"
"""Name of the tensor of a masked payload."""
OWN_SEED = "own-seed"
"""Name of a second one under Flower's protocol: the seed of the client's own mask, which the server learns."""
CIPHERTEXT = "ciphertext"
"""Name of the one tensor of a payload under homomorphic aggregation: its bytes."""
CUT = "values-cut"
"""The metric of a sum in 32 bits that has values which were cut to the greatest that was declared: how many."""
Payload = Literal["weights", "masked", "aggregate"]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What crossed the wire for one client in one round, or the sum that secure aggregation revealed.

    `payload` is the reply's state dict (weights after training) or, under secure aggregation, the vector over the ring
    as it came or was opened, bit for bit. Older recordings of an aggregate have the weights after the mean update.
    """

    settings: TaskSettings
    """What the clients trained on, as the experiment says it."""
    before: Weights
    payload: NamedTensors
    kind: Payload
    cohort: tuple[int, ...]
    round: int
    num_examples: int | None
    training: LocalTraining
    """As the adversary knows it: None where a fact is unknown."""
    chain: Chain
    defense: str
    """Name of the chain in the experiment."""
    seed: int
    metrics: Mapping[str, float]
    """What else the client reported in clear."""
    public_keys: Mapping[str, str] = field(default_factory=dict)
    """What the server relayed for secure aggregation: each client's public key, in hexadecimal; of Flower's protocol
    those that went to this client."""

    @property
    def task(self) -> Task:
        """The task as it is trained under the defenses."""
        return hardened(self.settings, self.chain)

    @property
    def source(self) -> Source:
        """What is public about the data."""
        return source_of(self.settings)

    @property
    def stem(self) -> Path:
        """Where it lies in a folder of recordings, without suffix."""
        return stem_of(self.kind, self.cohort, self.round)

    @property
    def state(self) -> NamedTensors:
        """What of the weights and buffers after training there is; of an aggregate the mean over its cohort."""
        return self._masking.opened(self._elements).state(self.before) if RING in self.payload else self.payload

    def observation(self) -> Observation:
        """What an attack is given."""
        masked, withheld = self.kind == "masked", self.chain.withheld(self.task)
        delta, state = self._delta(), {} if masked else self.state
        after = {n: state[n] for n in self.before.buffers if n in state and n not in withheld}
        return Observation(
            task=self.task,
            before=self.before,
            update=Update(delta, UpdateKind.DELTA),
            buffers_after=None if masked or not after else after,
            cohort=self.cohort,
            round=self.round,
            num_examples=self.num_examples,
            training=self.training,
            defense=self.chain,
            masked=masked,
            masked_vector=self._masked_vector,
        )

    def _delta(self) -> NamedTensors:
        """The update; of a sum as the ring has it, without the rounding of weights, and of a mask whatever it says."""
        before = self.before.parameters
        if self.kind == "masked":
            read = self._under_masks()
        elif RING in self.payload:
            read = self._masking.opened(self._elements).by_name(self.before)
        else:
            return {name: self.payload[name] - value for name, value in before.items()}
        return {name: read[name].to(value.dtype) for name, value in before.items()}

    def _under_masks(self) -> NamedTensors:
        flower = flower_masking_of(self.chain)
        if CIPHERTEXT in self.payload:
            return _as_numbers(self.payload[CIPHERTEXT], self.before)
        if flower is None:
            return shaped(self.before, self._masking.numbers.values(self._elements))
        return flower.read(self._elements, sendable(self.before, frozen_in(self.task.network)))

    @property
    def _masked_vector(self) -> MaskedVector | None:
        """What there is to open a vector by; of ours nothing helps."""
        if self.kind != "masked" or flower_masking_of(self.chain) is None:
            return None
        seed = self.payload.get(OWN_SEED)
        return MaskedVector(
            elements=torch.from_numpy(self._elements.astype(np.int64)),
            own_seed=None if seed is None else int(seed),
            peers=len(self.public_keys) - 1 if self.public_keys else None,
        )

    @property
    def rounding(self) -> float:
        """Standard deviation of what a protocol's own grid adds to an entry of a mean, beyond what can be replayed."""
        flower = flower_masking_of(self.chain)
        if self.kind != "aggregate" or not self.num_examples:
            return 0.0
        if RING in self.payload:  # at most one value in a hundred is so near a tie that machines round it differently
            return ldexp(0.1, -self._masking.numbers.places) * sqrt(len(self.cohort)) / self.num_examples
        return 0.0 if flower is None else flower.rounding(self.num_examples, len(self.cohort))

    @property
    def _elements(self) -> Elements:
        ring = self.payload[RING].numpy()
        return ring.view(f"u{ring.itemsize}")

    @property
    def _masking(self) -> SecureAggregation:
        defense = masking_of(self.chain)
        if defense is None or RING not in self.payload:
            raise RecordingError(f"{self.stem}: expected a masked vector and the defense that masked it, got neither")
        return defense


def _as_numbers(ciphertext: Tensor, before: Weights) -> NamedTensors:
    """Numbers in the place of an update that nobody can read: the last bytes of its ciphertext, which are all noise."""
    entries = sum(value.numel() for value in before.state_dict().values())
    return shaped(before, np.resize(ciphertext.numpy()[::-1].astype(np.float64) / 128 - 1, entries))


def stem_of(kind: Payload, cohort: tuple[int, ...], round: int) -> Path:
    """Where such a recording lies in a folder of recordings, without suffix."""
    who = "aggregate" if kind == "aggregate" else f"client-{cohort[0]:04d}"
    return Path(f"round-{round:04d}") / who


def ring_asked(chain: Chain, before: Weights, task: Callable[[], Task]) -> tuple[int, int]:
    """Bits of the elements of a masked vector, and how many there are; zeros where the chain masks nothing."""
    ours, flower = masking_of(chain), flower_masking_of(chain)
    if flower is not None:
        return 32, 1 + sum(value.numel() for value in sendable(before, frozen_in(task().network)).values())
    return (0, 0) if ours is None else (ours.ring_bits, ours.entries(before))


def in_memory(elements: Elements) -> Tensor:
    """A vector over the ring as a tensor, which has no unsigned numbers: bit for bit."""
    return torch.from_numpy(elements.view(f"i{elements.itemsize}"))


def write_recording(folder: Path, recording: Recording) -> Path:
    """Writes the pair of files; returns the path of the JSON file, which is complete only when both are."""
    facts = {
        "format": FORMAT,
        "task": recording.settings.model_dump(mode="json", exclude_none=True),
        "kind": recording.kind,
        "cohort": list(recording.cohort),
        "round": recording.round,
        "num_examples": recording.num_examples,
        "training": asdict(recording.training),
        "unknown": list(recording.training.unknown()),
        "defense": recording.defense,
        "chain": recording.chain.tables,
        "seed": recording.seed,
        "metrics": dict(recording.metrics),
        "public_keys": dict(recording.public_keys),
        "parameters": list(recording.before.parameters),
        "buffers": list(recording.before.buffers),
    }
    tensors = {f"before/{name}": value for name, value in recording.before.state_dict().items()}
    tensors |= {f"payload/{name}": value for name, value in recording.payload.items()}
    return write_pair(folder / recording.stem, tensors, facts)


def read_recording(path: Path) -> Recording:
    """Reads a recording (either of its files); raises `RecordingError` where it is truncated or not one."""
    tensors, facts = read_pair(path)
    if facts.get("format") != FORMAT:
        raise RecordingError(f"{path}: expected a recording of format {FORMAT}, got {facts.get('format')!r}")
    try:
        recording = _recording(tensors, facts)
    except (KeyError, TypeError) as error:
        raise RecordingError(f"{path} is damaged ({error!r} is missing or wrong); record it again") from error
    if (came := recording.payload.get(RING)) is not None:
        bits, entries = ring_asked(recording.chain, recording.before, lambda: recording.task)
        if (str(came.dtype), tuple(came.shape)) != (f"torch.int{bits}", (entries,)):
            raise RecordingError(
                f"{path}: expected {entries} elements of {bits} bits, as network and defense '{recording.defense}' ask "
                f"for, got {came.dtype} of shape {tuple(came.shape)}; record it again"
            )
    return recording


def find_recordings(folder: Path) -> list[Path]:
    """The recordings below a folder of recordings: by defense, round, client, aggregate last."""
    found = sorted(folder.glob("**/round-*/client-*.json")) + sorted(folder.glob("**/round-*/aggregate.json"))
    return sorted(found, key=lambda path: path.parent)


def _recording(tensors: NamedTensors, facts: dict[str, Any]) -> Recording:
    return Recording(
        settings=TaskSettings.model_validate(facts["task"], strict=False),
        before=Weights(*({n: tensors[f"before/{n}"] for n in facts[kind]} for kind in ("parameters", "buffers"))),
        payload={key.removeprefix("payload/"): value for key, value in tensors.items() if key.startswith("payload/")},
        cohort=tuple(facts["cohort"]),
        training=LocalTraining.of(facts["training"]),
        chain=Chain.build(tuple(_with_keys(table) for table in facts["chain"])),
        **{n: facts[n] for n in ("kind", "round", "num_examples", "defense", "seed", "metrics", "public_keys")},
    )


def _with_keys(table: dict[str, Any]) -> dict[str, Any]:
    """The table of a defense; before secure aggregation said where its secrets came from, they came from the seed."""
    return {"keys": "seeded", **table} if table.get("use") == SecureAggregation.name else table

"""A recording: one message that the server saw, or a model that left the federation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ldexp, sqrt
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import Isolation, Manipulation
from fedleak.contracts.observation import MaskedVector, Observation
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.contracts.tampering import Tampering
from fedleak.contracts.view import View
from fedleak.defenses.secure_aggregation import SecureAggregation, masking_of
from fedleak.defenses.secure_aggregation_flower import flower_masking_of, sendable
from fedleak.errors import RecordingError
from fedleak.learning.mean_change import shaped
from fedleak.learning.source import Source
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import NamedTensors, Weights, frozen_in
from fedleak.recording.payload import CIPHERTEXT, OWN_SEED, RING, TRUSTED, Payload, stem_of
from fedleak.secure_aggregation.ring import Elements
from fedleak.settings.columns import Split
from fedleak.settings.server import HONEST
from fedleak.settings.task import TaskSettings
from fedleak.tasks import hardened, source_of


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What crossed the wire for one client in one round, the sum that secure aggregation revealed, or a model.

    `payload` is the reply's state dict (weights after training) or, under secure aggregation, the vector over the ring
    as it came or was opened, bit for bit. Older recordings of an aggregate have the weights after the mean update. Of a
    model it is empty: `before` has its weights, which are what the next round would have begun with.
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
    split: Split | None = None
    """Of a model: how the network was cut among parties that hold columns, if it was."""

    tampering: tuple[Tampering, ...] = ()
    """What the clients' training code did beside training, as whoever wrote it knows."""
    server: str = HONEST
    """Name of the server in the experiment."""
    manipulations: tuple[Manipulation, ...] = ()
    """What it did beside averaging."""
    victim: int | None = None
    """Of a sum the client whose part in it stands alone in the entries `TRUSTED` of the payload; None: nobody's does.
    """
    victim_examples: int | None = None
    """How many examples that client said that it trained on; None where that is masked."""
    parts: tuple[int, ...] = ()
    """Of a sum where in what the server planted each client of the cohort went; nothing: it keeps none apart."""

    @property
    def task(self) -> Task:
        """The task as it is trained under the defenses."""
        return hardened(self.settings, self.chain, self.split, self.manipulations)

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
        if RING in self.payload:
            return self._masking.opened(self._elements).state(self.before)
        return {name: value for name, value in self.payload.items() if not name.startswith(TRUSTED)}

    @property
    def views(self) -> frozenset[type[View]]:
        """What can be looked at in it: an update, or a model's weights and its answers."""
        return frozenset({Released, Served}) if self.kind == "model" else frozenset({Observation})

    def released(self) -> Released:
        """What an attack on weights is given."""
        return Released(
            task=self.task,
            weights=self.before,
            training=self.training,
            cohort=self.cohort,
            round=self.round,
            defense=self.chain,
            tampering=self.tampering,
            manipulations=self.manipulations,
        )

    @property
    def isolation(self) -> Isolation | None:
        """What a sum says of one client alone."""
        if self.victim is None:
            return None
        masks = {name: self.payload[TRUSTED + name].to(value.dtype) for name, value in self.before.parameters.items()}
        return Isolation(victim=self.victim, trusted=masks, examples=self.victim_examples)

    def observation(self) -> Observation:
        """What an attack on updates is given; raises `RecordingError` where there is none, as of a model."""
        if Observation not in self.views:
            raise RecordingError(
                f"{self.stem}: it is a released model, which has no update to look at; name a client's recording"
            )
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
            tampering=self.tampering,
            manipulations=self.manipulations,
            isolation=self.isolation,
            parts=self.parts,
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
        if self.kind == "masked" or not self.num_examples:
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

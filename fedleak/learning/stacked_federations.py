"""Stacked federations: many small federations trained at once, their parameters stacked along a first dimension.

What an adversary trains itself, to see what a model looks like that a record was or was not trained on. A layer of all
of them is one batched product (`vmap` over `functional_call`), which is what makes dozens of them affordable.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn
from torch.func import vmap

from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.layers import batch_norms, copied
from fedleak.learning.optimizer import clipped, in_place, rates
from fedleak.learning.stacked_convolutions import laid_out
from fedleak.learning.stacked_defense import StackedDefense, copies_of, sent_after, stacked_gradients
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator, seed_of, seeded

AT_ONCE = 2**23
"""Bytes of parameters that are trained at a time, so that they and what is computed from them stay in caches."""
MOST = 2**31
"""Bytes of parameters that are returned at most."""


@runtime_checkable
class _Initialized(Protocol):
    """A layer that draws its parameters anew, as torch's own do."""

    def reset_parameters(self) -> None: ...


def require_room(task: Task, models: int) -> int:
    """The bytes of a model of a task; raises `NotApplicable` where so many take too many."""
    each = sum(value.nbytes for value in Weights.of(task.network).parameters.values())
    if each * models > MOST:
        raise NotApplicable(
            f"{models} models of '{task.name}' take {each * models / 2**30:.1f} GiB, and at most "
            f"{MOST / 2**30:.0f} are trained; lower 'shadows' to {MOST // each} or fewer"
        )
    return each


def _is_drawn(layer: nn.Module) -> bool:
    return isinstance(layer, _Initialized)


def dice_of(records: Batch) -> int:
    """A seed by what the records are, so that the same question has the same answer, whoever asks it."""
    digest = hashlib.blake2b(records.inputs.numpy().tobytes() + records.labels.numpy().tobytes()).hexdigest()
    return seed_of("shadows", digest)


@dataclass(frozen=True, kw_only=True)
class StackedFederations:
    """Federated averaging, so many times over: who has which records in each, and how all of them train.

    Clients of all federations have equally many records. The same fields give the same bits.
    """

    task: Task
    records: Batch
    shares: Int[Tensor, "federations clients share"]
    """Of each federation which of the records each client has."""
    training: LocalTraining
    """Of a client in a round; what is None there is as in `LocalTraining()`, but all batches of the share."""
    rounds: int
    seed: int
    start: NamedTensors | None = None
    """Models that they go on from, stacked: the first so many federations from the first, as many from each of the
    others. None: weights drawn anew."""
    defenses: tuple[StackedDefense, ...] = ()
    """What clients train under, in the order in which it is applied."""

    @classmethod
    def drawn(
        cls,
        task: Task,
        records: Batch,
        training: LocalTraining,
        *,
        federations: int,
        clients: int,
        examples: int,
        rounds: int,
    ) -> "StackedFederations":
        """Each on so many of the records by chance, shared out evenly. Dice are cast by what the records are.

        So the same question has the same answer, whoever asks it.
        """
        seed, share = dice_of(records), max(min(examples, len(records)) // clients, 1)
        order = torch.rand(federations, len(records), generator=generator(seed, "shares")).argsort(1)
        if share * clients > len(records):
            raise NotApplicable(f"{clients} clients cannot share out {len(records)} records; ask about more")
        shares = order[:, : share * clients].reshape(-1, clients, share)
        return cls(task=task, records=records, shares=shares, training=training, rounds=rounds, seed=seed)

    def continued(self, after: NamedTensors, rounds: int) -> "StackedFederations":
        """The same federations for more rounds, from the parameters that they have after theirs."""
        return replace(self, start=after, rounds=rounds, seed=seed_of(self.seed, "continued", self.rounds))

    @property
    def address(self) -> str:
        """Of what was asked: the same for the same federations, and another for any others."""
        facts = (
            self.task.name,
            repr(self.task.network),
            repr(self.task.criterion),
            asdict(self.training),
            self.rounds,
            self.seed,
            tuple(self.shares.shape),
            *self.defenses,
        )
        start = () if self.start is None else tuple(self.start.values())
        tensors = (self.records.inputs, self.records.labels, self.shares, *start)
        digest = hashlib.blake2b(repr(facts).encode(), digest_size=16)
        for tensor in tensors:
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def trains_on(self) -> Bool[Tensor, "federations records"]:
        """Of each federation whether it trains on each record."""
        within = torch.zeros(len(self.shares), len(self.records), dtype=torch.bool)
        return within.scatter(1, self.shares.flatten(1), True)

    def trained(self) -> NamedTensors:
        """The parameters after the last round, by name, each stacked: (federations, *shape).

        Raises `NotApplicable` where the network or its training cannot be stacked, or the result takes too much memory.
        """
        self.require_stackable()
        federations, clients, _ = self.shares.shape
        each = require_room(self.task, federations)
        copies = copies_of(self.task, self.defenses, self.training.batch_size or 1)
        groups = torch.arange(federations).chunk(-(-each * clients * federations * copies // AT_ONCE))
        parts = [self._group(places) for places in groups]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def require_stackable(self) -> None:
        """Raises `NotApplicable` for what a stack of models cannot do."""
        network, training = self.task.network, self.training
        fresh = {
            f"{path}.{name}" if path else name
            for path, module in network.named_modules()
            if _is_drawn(module)
            for name, _ in module.named_parameters(recurse=False)
        }
        drawn = self.start is None
        old = [name for name, _ in network.named_parameters() if drawn and name not in fresh]
        frozen = [name for name, one in network.named_parameters() if not one.requires_grad]
        why = [
            *(f"its parameter '{name}' cannot be drawn anew" for name in old[:1]),
            *(f"its parameter '{name}' is frozen" for name in frozen[:1]),
            *(f"'{name}' keeps running statistics" for name in list(batch_norms(network))[:1]),
            *(["a defense adds a penalty to the loss"] if self.task.penalties else []),
            *(["clients augment their examples"] if training.augmentation else []),
            *(["clients accumulate gradients"] if training.accumulation > 1 else []),
        ]
        if why:
            raise NotApplicable(f"models of '{self.task.name}' cannot be trained all at once: {why[0]}")

    @property
    def _facts(self) -> LocalTraining:
        """How clients train, without what is done to the gradient of each model by itself."""
        return replace(self.training.known_or(LocalTraining()), gradient_clipping=0.0, proximal=0.0)

    def _group(self, places: Int[Tensor, " group"]) -> NamedTensors:
        stacked, first = self._initial(places), int(places[0])
        shares = self.shares[places].flatten(0, 1)
        clients = self.shares.shape[1]
        for round in range(1, self.rounds + 1):
            words = self.seed, "stacked", first, round
            apart = {name: value.repeat_interleave(clients, 0) for name, value in stacked.items()}
            with seeded(*words, "dropout"):
                after = self._locally(apart, shares, words)
            stacked = {name: value.reshape(-1, clients, *value.shape[1:]).mean(1) for name, value in after.items()}
        return stacked

    def _initial(self, places: Int[Tensor, " group"]) -> NamedTensors:
        """Those to go on from, or weights by the architecture's own initialization, others for each federation."""
        if self.start is not None:
            return {name: value[places * len(value) // len(self.shares)] for name, value in self.start.items()}
        found: list[NamedTensors] = []
        network = copied(self.task.network)
        for place in places.tolist():
            with seeded(self.seed, "initial weights of a stack", place):
                for module in network.modules():
                    if isinstance(module, _Initialized):
                        module.reset_parameters()
            found.append(Weights.of(network).clone().parameters)
        return {name: torch.stack([one[name] for one in found]) for name in found[0]}

    def _locally(
        self, before: NamedTensors, shares: Int[Tensor, "models share"], words: tuple[object, ...]
    ) -> NamedTensors:
        """One round of every client of every federation."""
        facts, rng = self._facts, generator(*words, "noise")
        at = {name: laid_out(value.detach().clone()).requires_grad_() for name, value in before.items()}
        optimizer, mode = in_place(facts, at.values()), facts.mode or "train"
        steps = list(self._batches(shares, words))
        for chosen, rate in zip(steps, rates(facts, len(steps)), strict=True):
            batch = self.records[chosen.flatten()]
            inputs, labels = (part.reshape(*chosen.shape, *part.shape[1:]) for part in (batch.inputs, batch.labels))
            slopes = stacked_gradients(self.task, at, inputs, labels, mode, self.defenses, rng)
            with torch.no_grad():
                gradients = self._each(slopes, at, before)
            for name, value in at.items():
                value.grad = gradients[name]
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
        after = {name: value.detach() for name, value in at.items()}
        return sent_after(before, after, self.defenses, rng)

    def _each(self, gradients: NamedTensors, at: NamedTensors, before: NamedTensors) -> NamedTensors:
        """FedProx's pull and clipping, of each model's gradient by itself."""
        pull, norm = self.training.proximal, self.training.gradient_clipping
        if pull:
            gradients = {name: slope + pull * (at[name] - before[name]) for name, slope in gradients.items()}
        clip = vmap(lambda one: clipped(one, norm))
        return clip(gradients) if norm else gradients

    def _batches(
        self, shares: Int[Tensor, "models share"], words: tuple[object, ...]
    ) -> Iterator[Int[Tensor, "models batch"]]:
        """The records of each step: those of the round by chance, and in every epoch in another order.

        In place of Poisson samples there are as many as are expected, drawn anew for each step."""
        facts, rng = self._facts, generator(*words, "order")
        size, batches = facts.batch_size or 1, self.training.batches
        if facts.sampling_rate:
            for _ in range(facts.passes or 1):
                yield shares.gather(1, torch.rand(shares.shape, generator=rng).argsort(1))[:, :size]
            return
        taken = shares.gather(1, torch.rand(shares.shape, generator=rng).argsort(1))
        taken = taken if batches is None else taken[:, : size * batches]
        for _ in range(facts.epochs or 1):
            shuffled = taken.gather(1, torch.rand(taken.shape, generator=rng).argsort(1))
            for chosen in torch.split(shuffled, size, dim=1):
                if chosen.shape[1] == size or not facts.drop_last:
                    yield chosen

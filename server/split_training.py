"""Split training on the server: which rows come next, and what is relayed from party to party."""

import logging
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from jaxtyping import Int
from torch import Tensor

from fedleak.errors import ConfigError, FederationError
from fedleak.federation import wire
from fedleak.federation.outcome import Evaluation, failure_of_all
from fedleak.federation.plan import FederationPlan
from fedleak.learning.decision_tree import tree_in
from fedleak.learning.split import ACTIVE, held_by
from fedleak.learning.training import LocalTraining, batch_order, batches_in, require_values_to_normalize, steps_in
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator

from .evaluator import Plateau
from .layer import answered
from .recorder import Recorder
from .roster import Roster, greeting

logger = logging.getLogger(__name__)
SECONDS = 3600.0
"""How long a party has to answer, before the round ends."""


@dataclass
class SplitTraining:
    """The workflow in the place of a strategy: for each batch of rows forward, top, backward."""

    plan: FederationPlan
    roster: Roster
    grid: Grid
    """What messages pass through on their way to the roster."""
    evaluation: Evaluation
    recorder: Recorder | None = None
    """What the joint network is given to where it leaves the federation."""
    counts: dict[str, int] = field(init=False)
    """Rows to train on and to test on."""
    last: dict[str, Any] = field(init=False)
    """The step that all parties have last taken. Rounds before the recorded ones count up to 0."""

    def run(self) -> None:
        """Trains round after round; one that a party does not stay in ends with a sentence, and the next begins.

        Raises where no round came to its end and the experiment did not ask for that.
        """
        self.last = {wire.LAST_ROUND: -self.plan.model.trained_rounds, wire.LAST_STEP: 0}
        self.counts = self._count()
        self._require_batches()
        with self.roster.unrecorded():
            for round in range(1 - self.plan.model.trained_rounds, 1):
                self._train(round)
        plateau, lost = Plateau(self.plan.utility.patience), []
        for round in range(1, self.plan.rounds + 1):
            try:
                self._train(round)
                if self.plan.released(round):
                    self._release(round)
            except FederationError as error:
                logger.warning("round %d ends: %s", round, error)
                self.roster.lost(round, error, left=True)
                lost.append(error)
            tested = self._assess(round) if self.plan.utility.rounds and self.plan.evaluated(round) else {}
            if tested and plateau.settled(tested["accuracy"], self.counts[wire.TEST]) and not self.plan.recorded(round):
                break
        if len(lost) == self.plan.rounds and not all(one.planned for one in self.roster.failures):
            raise lost[0]

    def _require_batches(self) -> None:
        """Refuses, before anything is trained, batches that there are no rows for or BatchNorm cannot normalize.

        And more known labels than leave a row to ask about.
        """
        known, count = self.plan.adversary.known_labels, self.counts[wire.TRAIN]
        if known >= count:
            raise ConfigError(f"adversary.known_labels: the parties have {count} rows, got {known}; lower it")
        for round in (1 - self.plan.model.trained_rounds, 1, self.plan.rounds):
            rows, training = self._rows(round, self.plan.training(round).training())
            require_values_to_normalize(self.plan.public_task(), len(rows), training)

    def _train(self, round: int) -> None:
        training = self.plan.training(round).training()
        rows, training = self._rows(round, training)
        if tree_in(self.plan.public_task().network) is not None:
            self._fit(round, rows)
            return
        steps = steps_in(len(rows), training)
        order = batch_order(len(rows), training, generator(*seed_key(self.plan, round), "order"))
        for step, (chosen,) in enumerate(order, start=1):
            place = {wire.ROUND: round, wire.STEP: step, wire.STEPS: steps}
            asked = {wire.ROWS: rows[chosen]}
            sent = self._forward(place, asked)
            slopes = self._ask(wire.TOP, {ACTIVE: {**asked, **sent}}, place)[ACTIVE]
            told = {
                party: {**asked, wire.SLOPE: _in(slopes, f"{wire.SLOPE}.{party}", ACTIVE)} for party in self._passive
            }
            self._ask(wire.BACKWARD, told, place)
            self.last = {wire.LAST_ROUND: round, wire.LAST_STEP: step}

    def _fit(self, round: int, rows: Int[Tensor, " chosen"]) -> None:
        """Has the parties fit a decision tree, which is one step."""
        place = {wire.ROUND: round, wire.STEP: 1, wire.STEPS: 1}
        self._ask(wire.FIT, {party: {wire.ROWS: rows} for party in range(self.plan.federation.clients)}, place)
        self.last = {wire.LAST_ROUND: round, wire.LAST_STEP: 1}

    def _rows(self, round: int, training: LocalTraining) -> tuple[Int[Tensor, " chosen"], LocalTraining]:
        """Which rows the round uses, all of them or as many batches as are asked for."""
        count, rng = self.counts[wire.TRAIN], generator(*seed_key(self.plan, round), "rows")
        assert training.batch_size is not None
        if training.batches is None:
            return torch.arange(count), replace(training, batches=batches_in(count, training))
        needed = training.batch_size * training.batches
        if needed > count:
            raise ConfigError(
                f"federation: the parties have {count} rows, and a round takes {needed} (batch_size x batches); lower "
                "either"
            )
        return torch.randperm(count, generator=rng)[:needed], training

    @property
    def _passive(self) -> range:
        return range(ACTIVE + 1, self.plan.federation.clients)

    def _forward(self, place: dict[str, Any], asked: NamedTensors) -> NamedTensors:
        """What each passive party sends, by the name that the active one knows it under."""
        answers = self._ask(wire.FORWARD, dict.fromkeys(self._passive, asked), place)
        sent = {party: _in(answer, wire.EMBEDDING, party) for party, answer in answers.items()}
        return {f"{wire.EMBEDDING}.{party}": embedding for party, embedding in sent.items()}

    def _release(self, round: int) -> None:
        """Has the parts of the joint network put together and recorded; raises where one has no such part."""
        nothing: dict[int, NamedTensors] = {party: {} for party in range(self.plan.federation.clients)}
        declared, whole = Weights.of(self.plan.public_task().network), NamedTensors()
        for party, part in self._ask(wire.PART, nothing, {wire.ROUND: round}).items():
            wanted = held_by(declared, party).state_dict()
            if {name: one.shape for name, one in part.items()} != {name: one.shape for name, one in wanted.items()}:
                raise FederationError(f"party {party} answered without its part of the network after round {round}")
            whole |= part
        if self.recorder is not None:
            self.recorder.model(round, wire.to_arrays(whole))

    def _assess(self, round: int) -> dict[str, float]:
        """The joint network on the rows of the test split; nothing where a party does not answer, which is counted."""
        place, rows = {wire.ROUND: round}, torch.arange(self.counts[wire.TEST])
        try:
            sent = self._forward(place, {wire.ROWS: rows})
            reply = self._replies(wire.ASSESS, {ACTIVE: {wire.ROWS: rows, **sent}}, place)[ACTIVE]
        except FederationError as error:
            logger.warning("round %d is not tested: %s", round, error)
            return {}
        metrics = wire.metrics_of(reply)
        del metrics[wire.NUM_EXAMPLES]
        self.evaluation[round] = metrics
        return metrics

    def _count(self) -> dict[str, int]:
        """The rows that all parties have; raises where one has others, so that rows would not be the same people's."""
        nothing: dict[int, NamedTensors] = {party: {} for party in range(self.plan.federation.clients)}
        said = [one.config_records[wire.CONFIG] for one in self._replies(wire.COUNT, nothing, {wire.ROUND: 0}).values()]
        counts = [{name: int(str(one[name])) for name in wire.SPLITS} for one in said]
        if any(one != counts[0] for one in counts):
            raise FederationError(f"expected parties with the same rows, got counts {counts}; align their data first")
        return counts[0]

    def _ask(self, kind: str, tensors: dict[int, NamedTensors], place: dict[str, Any]) -> dict[int, NamedTensors]:
        replies = self._replies(kind, tensors, place)
        return {
            party: wire.to_tensors(wire.arrays_of(one)) if one.array_records else {} for party, one in replies.items()
        }

    def _replies(self, kind: str, tensors: dict[int, NamedTensors], place: dict[str, Any]) -> dict[int, RecordDict]:
        """The answer of each party that is asked, in their order; raises `FederationError` where one gives none."""
        config = {wire.CONFIG: greeting(**place, **self.last)}
        messages = [
            Message(RecordDict({**config, wire.ARRAYS: wire.to_arrays(own)}), self.roster.node_of(party), kind)
            for party, own in tensors.items()
        ]
        pairs = answered(messages, self.grid.send_and_receive(messages, timeout=SECONDS))
        came = {self.roster.client_of(one.metadata.dst_node_id): reply for one, reply in pairs if not reply.has_error()}
        if gone := [party for party in tensors if party not in came]:
            step = f", step {place[wire.STEP]} of {place[wire.STEPS]}" if wire.STEP in place else ""
            told = [one for one in self.roster.failures if one.client == gone[0] and one.round == place[wire.ROUND]]
            raise failure_of_all(
                told[-1:], f"round {place[wire.ROUND]}{step}: no answer of party {gone[0]} to '{kind}'"
            )
        return {party: came[party].content for party in tensors}


def _in(answer: NamedTensors, name: str, party: int) -> Tensor:
    """What a party was asked for; raises `FederationError` where its answer has no such thing."""
    if name not in answer:
        raise FederationError(f"party {party} answered without '{name}', with {', '.join(answer) or 'nothing'}")
    return answer[name]


def seed_key(plan: FederationPlan, round: int) -> tuple[int | str, ...]:
    """What seeds the order of the rows in a round, which all parties are told."""
    return (plan.seed, "rows", round)

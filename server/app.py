"""ServerApp: grid, meter, roster, tap, manipulation, secure aggregation, strategy, from the wire upwards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flwr.app import ArrayRecord, Context
from flwr.app.exception import AppExitException
from flwr.serverapp import Grid, ServerApp

from fedleak.defenses.homomorphic_aggregation import HomomorphicAggregation
from fedleak.defenses.model_consistency import compares
from fedleak.defenses.pate import PATE
from fedleak.defenses.secure_aggregation import SecureAggregation
from fedleak.defenses.secure_aggregation_flower import SecureAggregationFlower
from fedleak.errors import ConfigError, FederationError, FedleakError
from fedleak.experiment.servers import require_server
from fedleak.federation import wire
from fedleak.federation.outcome import Outcome, clear_outcome, write_outcome
from fedleak.federation.plan import FederationPlan
from fedleak.io.checkpoint import load_checkpoint
from fedleak.learning.training import stabilizers
from fedleak.learning.weights import Weights, frozen_in
from fedleak.randomness import seeded
from fedleak.tasks import initial_weights, task_of

from .consistency import ConsistencyLayer
from .evaluator import Evaluated, Evaluator, Settled
from .homomorphic import HomomorphicLayer
from .layer import Layer
from .malicious.parts.lie import speaking
from .manipulation import Crafter, Discarding, Manipulating
from .meter import Meter
from .pate import TeachersLayer
from .protocol_layer import ProtocolLayer
from .recorder import Recorder
from .relay_tap import RelayTap
from .roster import Roster, greeting
from .secagg_plus import FlowerAggregationLayer
from .secure_aggregation import SecureAggregationLayer
from .split_training import SplitTraining
from .strategies import build_strategy, plain_fedavg
from .tap import Tap

ROUND_SECONDS = 3600.0
"""How long clients have to answer, before they count as failed."""
app = ServerApp()
AfterRound = Callable[[int, ArrayRecord], None]
"""What a strategy calls after each round with the new model; first, as round 0, with the one that it starts from."""


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Runs the federation that the run config describes; leaves recordings, failures and evaluation on disk."""
    plan = FederationPlan.from_run_config(context.run_config)
    outcome = Outcome()
    clear_outcome(Path(plan.recordings))
    try:
        _run(plan, grid, outcome)
    except Exception as error:
        write_outcome(Path(plan.recordings), outcome, error)
        raise
    write_outcome(Path(plan.recordings), outcome, None)


def _run(plan: FederationPlan, grid: Grid, outcome: Outcome) -> None:
    require_server(plan, plan.defenses())
    strategy = None if plan.federation.split else build_strategy(plan)
    recorder = Recorder(plan) if plan.records else None
    frozen = frozen_in(plan.public_task().network)
    roster = Roster(
        Meter(grid, plan, outcome.costs), plan.federation.clients, plan.seed, outcome.failures, frozen, outcome.costs
    )
    if strategy is None:
        SplitTraining(plan, roster, RelayTap(roster, plan), outcome.evaluation, recorder).run()
        return
    weights = _pretrained(plan, roster, _first_weights(plan))
    evaluator = Evaluator(roster, outcome.evaluation, plan) if plan.utility.rounds else None
    after = evaluator if recorder is None else Releases(recorder, evaluator)
    layers = _layers(plan, roster, recorder if "updates" in plan.records else None)
    with seeded(plan.seed, "sampling"):
        try:
            _federate(Evaluated(strategy, outcome.evaluation), layers, weights, plan.rounds, after)
        except Settled:
            return
        except FedleakError:
            # What was recorded is worth as much when the model breaks down later on; the failures say that it did.
            failed = max((failure.round for failure in outcome.failures), default=0)
            if plan.recorded(failed):
                raise


def _first_weights(plan: FederationPlan) -> Weights:
    """Those of the checkpoint, where there is one; layers that the defenses add and it has not start fresh."""
    task = plan.public_task()
    initial = initial_weights(plan.task, plan.seed, plan.defenses(), server=plan.manipulations())
    if plan.model.checkpoint is None:
        return initial
    return initial.updated(load_checkpoint(task_of(plan.task), Path(plan.model.checkpoint), task))


def _pretrained(plan: FederationPlan, roster: Roster, weights: Weights) -> Weights:
    """The weights after the rounds that nobody records."""
    if plan.model.trained_rounds == 0:
        return weights
    strategy = plain_fedavg(plan.federation.clients)
    with roster.unrecorded(), seeded(plan.seed, "pretraining"):
        result = strategy.start(
            roster,
            wire.to_arrays(weights.state_dict()),
            plan.model.trained_rounds,
            ROUND_SECONDS,
            train_config=greeting(**{wire.PRETRAINING: True}),
        )
    trained = weights.like(wire.to_tensors(result.arrays))
    remedy = stabilizers(plan.public_task(), "model.trained_learning_rate")
    trained.require_finite(f"after {plan.model.trained_rounds} rounds of training", remedy)
    return trained


LAYERS: Mapping[str, Callable[[Grid, Roster, Any, FederationPlan, Recorder | None], ProtocolLayer[Any]]] = {
    str(SecureAggregation.protocol): SecureAggregationLayer,
    str(SecureAggregationFlower.protocol): FlowerAggregationLayer,
    str(HomomorphicAggregation.protocol): HomomorphicLayer,
    str(PATE.protocol): TeachersLayer,
}
"""What speaks a protocol with the clients, by its name."""


def _layers(plan: FederationPlan, roster: Roster, recorder: Recorder | None) -> Layer:
    """What the strategy talks to."""
    protocol = plan.defenses().protocol
    if protocol is not None and recorder is not None and not protocol.shares_model:
        raise ConfigError(
            f"'{protocol.name}' sends votes and no updates, so there are none to record; let attacks look at the "
            "model alone, by federation.release or adversary.queries"
        )
    grid: Layer = roster if recorder is None else Tap(roster, recorder)
    crafter = Crafter(plan, roster) if plan.server.chain else None
    if crafter is not None:
        grid = Manipulating(grid, crafter)

    def speak(inner: Layer, recorder: Recorder | None) -> Layer:
        return inner if protocol is None else LAYERS[str(protocol.protocol)](inner, roster, protocol, plan, recorder)

    if compares(plan.defenses()):
        grid = ConsistencyLayer(grid, roster)
    grid = speaking(grid, plan, roster, recorder, speak)
    return grid if crafter is None else Discarding(grid, crafter)


def _federate(strategy: Evaluated, grid: Grid, weights: Weights, rounds: int, after: AfterRound | None) -> None:
    """Runs the strategy."""
    arrays = wire.to_arrays(weights.state_dict())
    try:
        strategy.start(grid, arrays, rounds, ROUND_SECONDS, greeting(), greeting(), after)
    except AppExitException as error:
        raise FederationError(f"Flower's {type(strategy.inner).__name__} gave up: {error}") from error


@dataclass(frozen=True)
class Releases:
    """What a strategy calls after each round: records the model where it leaves, then does what else is to be done."""

    recorder: Recorder
    then: AfterRound | None

    def __call__(self, round: int, arrays: ArrayRecord) -> None:
        if self.recorder.plan.released(round):
            self.recorder.model(round, arrays)
        if self.then is not None:
            self.then(round, arrays)

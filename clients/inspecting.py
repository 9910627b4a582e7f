"""Inspection on the client: its checks look at the model that it is sent, before it trains.

The model of the last round that it trusted lies in its own state, for the next round to be compared with.
One that was refused is not kept: sent once more, it would be no change.
"""

import time
from functools import lru_cache
from math import isfinite
from pathlib import Path

from flwr.app import ConfigRecord, Context, RecordDict

from fedleak.accounting.mechanism import cohort_of
from fedleak.client_round import with_own
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import Manipulation
from fedleak.contracts.received import Alarm, Received
from fedleak.defenses.parts.model_check import UNBOUNDED, ModelCheck
from fedleak.defenses.secure_aggregation import masking_of
from fedleak.errors import ModelRefused
from fedleak.federation import wire
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import one_thread, seed_of, seeded
from fedleak.settings.task import TaskSettings
from fedleak.tasks import initial_weights
from fedleak.vault.alarms import RaisedAlarm, deposit_alarms
from fedleak.vault.model_figures import ModelFigures, deposit_figures

from .client import Client
from .consistency import digests_of
from .share import examples_of, prepared_of

RECEIVED, BEFORE = "fedleak.received", "fedleak.received-before"
"""The records in the client's state: the model of the last round that it trusted, and of the one before that."""
ROUNDS, LAST, LAST_BUT_ONE = "fedleak.received-rounds", "last", "before"


def inspect(client: Client, content: RecordDict, context: Context) -> None:
    """Raises `ModelRefused` where a check refuses the model; whatever the checks see, the client keeps to itself."""
    checks = [defense for defense in client.plan.defenses() if "received" in defense.acts_on]
    if not checks or client.pretraining:
        return
    received = _received(client, content, _earlier(client, context))
    figures: list[ModelFigures] = []
    alarms: list[Alarm] = []
    with seeded(*client.seed_key, "inspection"), one_thread():
        for check in checks:
            alarm = (
                _measured(client, check, received, figures)
                if isinstance(check, ModelCheck)
                else check.inspect(received)
            )
            alarms += [] if alarm is None else [alarm]
    deposit_figures(Path(client.plan.vault), figures)
    deposit_alarms(Path(client.plan.vault), [_raised(client, alarm) for alarm in alarms])
    refusing = [alarm for alarm in alarms if alarm.refuses]
    comparing = {check.name for check in checks if isinstance(check, ModelCheck) and check.compares_rounds}
    if not refusing and not any(alarm.defense in comparing for alarm in alarms):
        _keep(client, received.weights, context)
    if refusing:
        first = refusing[0]
        raise ModelRefused(
            f"client {client.partition} refuses the model of round {client.round}: {first.defense} says that "
            f"{first.words}"
        )


def _received(client: Client, content: RecordDict, earlier: NamedTensors | None) -> Received:
    plan, task = client.plan, client.task
    prepared = prepared_of(plan, client.partition, client.round)
    examples, training = examples_of(plan, client.partition, client.round)
    weights = task.split(wire.to_tensors(wire.arrays_of(content)))
    masking = masking_of(plan.defenses())
    return Received(
        task=task,
        weights=with_own(weights, plan.defenses().withheld(task), client.kept),
        earlier=None if earlier is None else task.split(earlier),
        fresh=_fresh(plan.task, plan.seed, plan.defenses(), plan.manipulations()),
        examples=examples if prepared is None else prepared,
        training=training,
        round=client.round,
        digest=wire.model_digest(content),
        cohort=cohort_of(plan.training(client.round)),
        digests=digests_of(client, content),
        bound=masking is not None and masking.binds_model,
    )


@lru_cache(maxsize=8)
def _fresh(task: TaskSettings, seed: int, chain: Chain, ships: tuple[Manipulation, ...]) -> Weights:
    """An initialization by the client's own draws, of the network in the app that it runs, whoever ships that."""
    return initial_weights(task, seed_of(seed, "inspection"), chain, server=ships)


def _measured(client: Client, check: ModelCheck, received: Received, figures: list[ModelFigures]) -> Alarm | None:
    """What a check says of a model; all that it measures, whatever its thresholds make of it, is added to `figures`."""
    started = time.perf_counter()
    found = check.findings(received)
    seconds = time.perf_counter() - started
    statistics = {name: one.value if isfinite(one.value) else UNBOUNDED for name, one in found.items()}
    figures.append(
        ModelFigures(
            client=client.partition, round=client.round, defense=check.name, statistics=statistics, seconds=seconds
        )
    )
    return check.alarm(found)


def _raised(client: Client, alarm: Alarm) -> RaisedAlarm:
    return RaisedAlarm(
        client=client.partition,
        round=client.round,
        defense=alarm.defense,
        sentence=alarm.sentence,
        refused=alarm.refuses,
    )


def _earlier(client: Client, context: Context) -> NamedTensors | None:
    """What an earlier round left: not the round itself, where it is asked for once more."""
    for record, word in ((RECEIVED, LAST), (BEFORE, LAST_BUT_ONE)):
        rounds = context.state.config_records.get(ROUNDS, ConfigRecord())
        if 0 < int(str(rounds.get(word, 0))) < client.round:
            return wire.to_tensors(context.state.array_records[record])
    return None


def _keep(client: Client, weights: Weights, context: Context) -> None:
    """Leaves the model for the next round."""
    rounds = context.state.config_records.get(ROUNDS, ConfigRecord())
    last = int(str(rounds.get(LAST, 0)))
    if last == client.round:
        return
    if last:
        context.state[BEFORE] = context.state.array_records[RECEIVED]
    context.state[RECEIVED] = wire.to_arrays(weights.state_dict())
    context.state[ROUNDS] = ConfigRecord({LAST: client.round, LAST_BUT_ONE: last})

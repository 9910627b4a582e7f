"""Split training on a client: the messages of a party that holds columns."""

import time
from collections.abc import Callable
from functools import partial

from flwr.app import ConfigRecord, Context, Message, MetricRecord
from flwr.clientapp import ClientApp

from fedleak.federation import wire
from fedleak.learning.weights import NamedTensors

from . import fitting
from .active.party import ActiveParty
from .answering import answering
from .client import Client
from .columns import columns_of
from .memory import footprint
from .party import Party
from .passive.party import PassiveParty
from .release import note_use, part_of


def register(app: ClientApp) -> None:
    """Has an app answer them."""
    app.query("rows")(answering(rows))
    app.query("forward")(answering(forward))
    app.query("part")(answering(part))
    app.train("top")(answering(top))
    app.train("backward")(answering(backward))
    app.train("fit")(answering(fit))
    app.evaluate("top")(answering(assess))


def rows(message: Message, context: Context) -> Message:
    """Says how many rows there are to train on and to test on, which all parties have alike."""
    client = Client.of(message, context)
    counts = {name: len(columns_of(client.plan, client.partition, test=name == wire.TEST)) for name in wire.SPLITS}
    return wire.answer(message, config=ConfigRecord({**counts}))


def forward(message: Message, context: Context) -> Message:
    """Sends what a passive party's bottom network makes of rows."""
    return _answered(message, PassiveParty.of(message, context).forward)


def part(message: Message, context: Context) -> Message:
    """Hands over its part of the joint network, where that leaves the federation."""
    return wire.answer(message, arrays=wire.to_arrays(part_of(Party.of(message, context))))


def top(message: Message, context: Context) -> Message:
    """Trains the active party on rows, and sends what the others need to follow."""
    party = ActiveParty.of(message, context)
    answer = _answered(message, party.top)
    note_use(party)
    return answer


def backward(message: Message, context: Context) -> Message:
    """Trains a passive party on rows."""
    party = PassiveParty.of(message, context)
    answer = _answered(message, party.backward)
    note_use(party)
    return answer


def fit(message: Message, context: Context) -> Message:
    """Fits a decision tree together with the others."""
    party = Party.of(message, context)
    return _answered(message, partial(fitting.fit, party))


def assess(message: Message, context: Context) -> Message:
    """Loss and accuracy of the joint network on the task's test split."""
    return wire.answer(message, metrics=MetricRecord({**ActiveParty.of(message, context).assess()}))


def _answered(message: Message, work: Callable[[], NamedTensors]) -> Message:
    """A reply with what comes of the work, and beside it what that took, for the meter."""
    with footprint() as taken:
        started = time.perf_counter()
        answer = work()
        seconds = time.perf_counter() - started
    cost = ConfigRecord({wire.SECONDS: seconds, wire.MEMORY: taken.bytes})
    return wire.answer(message, arrays=wire.to_arrays(answer), cost=cost)

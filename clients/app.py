"""ClientApp: trains on its share, defends its update, keeps the truth, and answers the server."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from flwr.app import ConfigRecord, Context, Message, MetricRecord
from flwr.clientapp import ClientApp

from fedleak.defenses.homomorphic_aggregation import HomomorphicAggregation
from fedleak.defenses.pate import PATE
from fedleak.defenses.secure_aggregation import SecureAggregation
from fedleak.defenses.secure_aggregation_flower import SecureAggregationFlower
from fedleak.errors import FederationError, FedleakError
from fedleak.federation import wire
from fedleak.settings.dropouts import Stage

from .answering import answering
from .client import Client, Trained
from .columns import columns_of, require_rows
from .consistency import signed
from .history import History
from .homomorphic import opened, sealed
from .inspecting import inspect
from .masking import Seat
from .secagg_plus import Reply, through_mod
from .share import require_share
from .split_training import register
from .teacher import student_of, teaching_in, votes_of

logger = logging.getLogger(__name__)
app = ClientApp()
register(app)


@app.query()
@answering
def introduce(message: Message, context: Context) -> Message:
    """Says which partition this is, once it is sure that both ends run the same code and that it can train at all."""
    client = Client.of(message, context)
    if client.plan.federation.split is None:
        require_share(client.plan, client.partition)
    else:
        columns_of(client.plan, client.partition)
    return wire.answer(message, config=ConfigRecord({wire.PARTITION: client.partition}))


def holding_rows(message: Message, context: Context) -> Client:
    """The client that a message is for; refuses where it holds columns, which have messages of their own."""
    client = Client.of(message, context)
    require_rows(client.plan)
    return client


@app.train()
@answering
def train(message: Message, context: Context) -> Message:
    """Trains, defends, keeps the truth, and replies as the run's protocol has it: see `ANSWERS`.

    A round that was answered is not answered for another content, and none goes back: see `history`.
    What it took is beside the answer, for the meter, which takes it out before the adversary looks.
    """
    client = holding_rows(message, context)
    protocol = None if client.pretraining else client.plan.defenses().protocol
    return ANSWERS[None if protocol is None else protocol.protocol](client, message, context)


def _clear(client: Client, message: Message, context: Context) -> Message:
    """Replies as Flower's stock client does: weights, count, loss.

    There is no loss where defenses prove something, which a figure that comes of the examples without noise would void.
    """

    def reply(trained: Trained, message: Message) -> Message:
        loss = {} if trained.loss is None else {wire.TRAIN_LOSS: trained.loss}
        return wire.answer(
            message,
            arrays=wire.to_arrays(client.sendable(trained.after)),
            metrics=MetricRecord({wire.NUM_EXAMPLES: trained.examples, **loss}),
            cost=_cost(trained),
        )

    return _answered(client, message, context, reply)


def _masked(client: Client, message: Message, context: Context) -> Message:
    """Replies with a vector under masks; whatever can be refused is refused before an example is touched."""
    client.stay("masked")

    seat = Seat.of(client, context)
    seat.protocol.ready(wire.question_of(message.content))

    def reply(trained: Trained, message: Message) -> Message:
        masked = seat.masked(message.content, trained, context)
        return wire.answer(message, arrays=wire.from_ring(masked), cost=_cost(trained))

    return _answered(client, message, context, reply)


def _masked_by_flower(client: Client, message: Message, context: Context) -> Message:
    """Replies as Flower's own mod has it, which asks for training in one stage of four."""
    return through_mod(client, message, context, lambda inner, reply: _answered(client, inner, context, reply))


def _encrypted(client: Client, message: Message, context: Context) -> Message:
    """Replies with ciphertexts."""

    def reply(trained: Trained, message: Message) -> Message:
        return wire.answer(message, **{wire.SECURE_AGGREGATION: sealed(client, trained)}, cost=_cost(trained))

    return _answered(client, message, context, reply)


def _taught(client: Client, message: Message, context: Context) -> Message:
    """Replies with votes in the last recorded round, before it with nothing, and after it not at all."""
    teaching, last = teaching_in(client.plan.defenses()), client.plan.federation.rounds
    if client.round > last:
        raise FederationError(f"the teachers voted in round {last} and say no more; this client refuses")

    def reply(trained: Trained, message: Message) -> Message:
        voted = teaching is not None and client.round == last
        votes = {wire.VOTES: votes_of(client, teaching, trained.after)} if teaching and voted else {}
        metrics = MetricRecord({wire.NUM_EXAMPLES: trained.examples})
        return wire.answer(message, arrays=wire.to_arrays(votes), metrics=metrics, cost=_cost(trained))

    return _answered(client, message, context, reply)


ANSWERS: Mapping[str | None, Callable[[Client, Message, Context], Message]] = {
    None: _clear,
    SecureAggregation.protocol: _masked,
    SecureAggregationFlower.protocol: _masked_by_flower,
    HomomorphicAggregation.protocol: _encrypted,
    PATE.protocol: _taught,
}
"""How a client answers a message that trains, by the protocol of the run."""


def _answered(client: Client, message: Message, context: Context, reply: Reply) -> Message:
    """Trains, and keeps what the next round needs of it once there is a reply."""
    client.stay("masked")
    asked = wire.digest_of(message.content)
    history = History.of(context)
    after = history.admitting(client.plan, client.round, pretraining=client.pretraining, asked=asked)
    if after.answered:  # the same answer once more, from what defenses had kept by then
        client = replace(client, kept=wire.kept_of(context, before=True))
    after.keep(context)
    with reticent(client):
        started = time.perf_counter()
        inspect(client, message.content, context)
        inspected = time.perf_counter() - started
        trained = client.pretrain(message.content) if client.pretraining else client.train(message.content)
        answer = reply(replace(trained, seconds=trained.seconds + inspected), message)
    wire.keep(context, trained.kept, client.kept)
    replace(after, answered=True).keep(context)
    return answer


@contextmanager
def reticent(client: Client) -> Iterator[None]:
    """Under a protocol that hides updates, says nothing of an exception that is not ours but its name.

    Its text may come from examples. Sentences of ours have no figure of an update in them.
    """
    try:
        yield
    except FedleakError:
        raise
    except Exception as error:
        if client.pretraining or client.plan.defenses().protocol is None:
            raise
        logger.exception("client %s failed", client.partition)
        name = type(error).__name__
        raise FederationError(f"client {client.partition} failed ({name}); its own log says more") from error


def _cost(trained: Trained) -> ConfigRecord:
    return ConfigRecord({wire.SECONDS: trained.seconds, wire.MEMORY: trained.memory})


def _stage(stage: Stage, message: Message, context: Context) -> Message:
    """Answers one of the stages of secure aggregation beside training."""
    client = holding_rows(message, context)
    client.stay(stage)
    answer = Seat.of(client, context).answer(stage, wire.question_of(message.content), context)
    return wire.answer(message, **{wire.SECURE_AGGREGATION: answer})


def _register_stage(stage: Stage) -> None:
    app.train(f"secagg_{stage}")(answering(partial(_stage, stage)))


_register_stage("advertise")
_register_stage("share")
_register_stage("confirm")
_register_stage("unmask")


@app.train("compare")
@answering
def compare(message: Message, context: Context) -> Message:
    """Signs a hash of the model that it is sent, before any of its examples is touched."""
    client = holding_rows(message, context)
    return wire.answer(message, **{wire.MODELS: signed(client, message.content, context)})


@app.train("open_sum")
@answering
def open_sum(message: Message, context: Context) -> Message:
    """Decrypts a sum of ciphertexts."""
    client = holding_rows(message, context)
    client.stay("unmask")
    return wire.answer(message, **{wire.SECURE_AGGREGATION: opened(client, message)})


@app.train("student")
@answering
def student(message: Message, context: Context) -> Message:
    """Trains the student on public examples with the labels that the votes gave; no example of its own is touched."""
    client = holding_rows(message, context)
    weights = student_of(client, message)
    return wire.answer(message, arrays=wire.to_arrays(client.sendable(weights)))


@app.evaluate()
@answering
def evaluate(message: Message, context: Context) -> Message:
    """Loss and accuracy of the model on the task's test split."""
    return wire.answer(message, metrics=MetricRecord({**holding_rows(message, context).evaluate(message.content)}))

"""ClientApp: trains on its share, defends its update, keeps the truth, and answers the server."""

import logging
from collections.abc import Callable
from dataclasses import replace

from flwr.app import ConfigRecord, Context, Message, MetricRecord
from flwr.clientapp import ClientApp

from fedleak.errors import UserError
from fedleak.federation import wire

from .client import Client, Trained
from .history import History
from .masking import agree, masked
from .share import require_share

logger = logging.getLogger(__name__)
Handler = Callable[[Message, Context], Message]
app = ClientApp()


def answering(handler: Handler) -> Handler:
    """A handler whose exceptions become error replies, `ErrorType: sentence`, the same in every engine."""

    def handle(message: Message, context: Context) -> Message:
        try:
            return handler(message, context)
        except Exception as error:
            level = logging.INFO if isinstance(error, UserError) else logging.ERROR
            logger.log(level, "client %s failed", context.node_config.get(wire.PARTITION), exc_info=error)
            return wire.refuse(message, error)

    return handle


@app.query()
@answering
def introduce(message: Message, context: Context) -> Message:
    """Says which partition this is, once it is sure that both ends run the same code and that it can train at all."""
    client = Client.of(message, context)
    require_share(client.plan, client.partition)
    return wire.answer(message, config=ConfigRecord({wire.PARTITION: client.partition}))


@app.train()
@answering
def train(message: Message, context: Context) -> Message:
    """Trains, defends, keeps the truth, and replies as Flower's stock client does: weights, count, loss.

    A round that was answered is not answered for another content, and none goes back: see `history`.
    There is no loss where defenses prove something, which a figure that comes of the examples without noise would void.
    What it took is beside them, for the meter, which takes it out before the adversary looks.
    """
    client, history = Client.of(message, context), History.of(context)
    asked = wire.digest_of(message.content)
    after = history.admitting(client.plan, client.round, pretraining=client.pretraining, asked=asked)
    if history.repeats(after):  # the same answer once more, from what defenses had kept by then
        client = replace(client, kept=wire.kept_of(context, before=True))
    trained = client.pretrain(message.content) if client.pretraining else client.train(message.content)
    reply = _reply(client, message, trained)
    wire.keep(context, trained.kept, client.kept)
    after.keep(context)
    return reply


def _reply(client: Client, message: Message, trained: Trained) -> Message:
    cost = ConfigRecord({wire.SECONDS: trained.seconds, wire.MEMORY: trained.memory})
    if client.masking is not None:
        return wire.answer(message, arrays=masked(client, client.masking, message.content, trained), cost=cost)
    loss = {} if trained.loss is None else {wire.TRAIN_LOSS: trained.loss}
    return wire.answer(
        message,
        arrays=wire.to_arrays(client.sendable(trained.after)),
        metrics=MetricRecord({wire.NUM_EXAMPLES: trained.examples, **loss}),
        cost=cost,
    )


@app.train("secagg_setup")
@answering
def agree_on_keys(message: Message, context: Context) -> Message:
    """Publishes this client's key for one round of secure aggregation."""
    return wire.answer(message, config=agree(Client.of(message, context)))


@app.evaluate()
@answering
def evaluate(message: Message, context: Context) -> Message:
    """Loss and accuracy of the model on the task's test split."""
    return wire.answer(message, metrics=MetricRecord({**Client.of(message, context).evaluate(message.content)}))

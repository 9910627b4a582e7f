"""Flower's SecAgg+ on the client: its own mod, unmodified, around this client's training."""

from collections.abc import Callable

from flwr.app import ConfigRecord, Context, Message
from flwr.client.mod import secaggplus_mod
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters
from flwr.compat.common import recorddict_compat as compat

from fedleak.defenses.secure_aggregation_flower import sendable
from fedleak.errors import FederationError
from fedleak.federation import secagg_plus, wire
from fedleak.learning.weights import frozen_in

from .client import Client, Trained

Reply = Callable[[Trained, Message], Message]


def through_mod(
    client: Client, message: Message, context: Context, answer: Callable[[Message, Reply], Message]
) -> Message:
    """What Flower's mod makes of a stage; it calls `answer`, which trains, in the one that asks for a masked vector."""
    stage = secagg_plus.stage_of(message.content)
    client.stay(stage)
    try:
        return secaggplus_mod(
            message, context, lambda inner, _: answer(inner, lambda trained, to: _fit(client, trained, to))
        )
    except KeyError as error:
        if stage != "unmask":
            raise
        raise FederationError(
            f"Flower's mod gives out no share at all: of node {error} it was never sent one (KeyError)"
        ) from error


def _fit(client: Client, trained: Trained, message: Message) -> Message:
    """The reply that the mod masks: weights by order alone, the count of examples, metrics, and the effort."""
    sent = sendable(trained.after, frozen_in(client.task.network))
    # Flower's workflow loses an array without dimensions, so that such have one.
    arrays = [value.detach().cpu().reshape(value.shape or (1,)).numpy() for value in sent.values()]
    result = FitRes(
        status=Status(Code.OK, "trained"),
        parameters=ndarrays_to_parameters(arrays),
        num_examples=trained.examples,
        metrics={} if trained.loss is None else {wire.TRAIN_LOSS: trained.loss},
    )
    content = compat.fitres_to_recorddict(result, keep_input=False)
    content[wire.COST] = ConfigRecord({wire.SECONDS: trained.seconds, wire.MEMORY: trained.memory})
    return Message(content, reply_to=message)

"""Answering: whatever a handler raises becomes an error reply, and a line in the client's own log."""

import logging
from collections.abc import Callable

from flwr.app import Context, Message

from fedleak.errors import Dropout, FedleakError, UserError, sentence
from fedleak.federation import wire

logger = logging.getLogger(__name__)
Handler = Callable[[Message, Context], Message]


def answering(handler: Handler) -> Handler:
    """A handler whose exceptions become error replies, `ErrorType: sentence`, the same in every engine."""

    def handle(message: Message, context: Context) -> Message:
        try:
            return handler(message, context)
        except Exception as error:  # noqa: BLE001  whatever it is, the server hears of it
            _log(error, message.metadata.message_type, context)
            return wire.refuse(message, error)

    return handle


def _log(error: Exception, asked: str, context: Context) -> None:
    """A refusal is a sentence, and what the user or the experiment is to blame for is told elsewhere."""
    expected = isinstance(error, UserError | Dropout)
    level = logging.INFO if expected else logging.WARNING if isinstance(error, FedleakError) else logging.ERROR
    trace = None if isinstance(error, FedleakError) else error
    client = context.node_config.get(wire.PARTITION)
    logger.log(level, "client %s, asked for '%s': %s", client, asked, sentence(error), exc_info=trace)

"""Loopback grid: a federation in this process, milliseconds a client. The only file with Flower's internals."""

import copy
from collections.abc import Callable, Iterable
from importlib.metadata import version
from itertools import count
from threading import RLock

from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid

from fedleak.errors import ConfigError
from fedleak.federation.plan import RunConfig
from fedleak.federation.wire import refuse

try:
    from flwr.supercore.run import Run
    from flwr.supercore.task_identity import TaskIdentity
except ImportError as unknown:
    raise ConfigError(
        f"expected Flower 1.38 to 1.42, got {version('flwr')}; install one that is known: "
        "`pip install 'flwr[simulation]>=1.38,<1.43'`"
    ) from unknown

RUN_ID = 1
SERVER = 0
Answers = Callable[[Message, Context], Message]
"""A ClientApp, or what is called like one."""
Listener = Callable[[Message, Message], None]
"""Hears of each message and its reply."""


class LoopbackGrid(Grid):
    """Carries messages to clients that live here and answer at once.

    Messages are deep-copied both ways, as a wire would; a client's exception becomes an error reply. Servers may push
    from several threads: one client works at a time.
    """

    def __init__(self, app: Answers, clients: int, config: RunConfig, heard: Listener) -> None:
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = RUN_ID, RUN_ID, SERVER
        self._app = app
        self._run = Run.create_empty(RUN_ID)
        self._contexts = {node: _context(node, node - 1, clients, config) for node in range(1, clients + 1)}
        self._heard = heard
        self._replies: dict[str, Message] = {}
        self._ids = count(1)
        self._one_at_a_time = RLock()

    def set_run(self, run: Run) -> None:
        self._run = run

    @property
    def run(self) -> Run:
        return self._run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        with self._one_at_a_time:
            return [self._deliver(message) for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return [self._replies.pop(name) for name in message_ids if name in self._replies]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | int | None = None) -> Iterable[Message]:  # noqa: ARG002
        return self.pull_messages(self.push_messages(messages))

    def _deliver(self, message: Message) -> str:
        name = str(next(self._ids))
        # There is no public way to name a message; links do this when one is pushed.
        message.metadata.__dict__["_message_id"] = name
        arrived = copy.deepcopy(message)
        try:
            reply = self._app(arrived, self._contexts[message.metadata.dst_node_id])
        except Exception as error:  # noqa: BLE001 - whatever a client raises, a link reports and carries on
            reply = refuse(arrived, error)
        self._replies[name] = copy.deepcopy(reply)
        self._heard(message, reply)
        return name


def server_context(config: RunConfig) -> Context:
    """What the ServerApp is started with."""
    return Context(RUN_ID, SERVER, {}, RecordDict(), dict(config))


def _context(node: int, partition: int, clients: int, config: RunConfig) -> Context:
    place: RunConfig = {"partition-id": partition, "num-partitions": clients}
    return Context(RUN_ID, node, place, RecordDict(), dict(config))

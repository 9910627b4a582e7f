"""Reply of a client: its weights after training and defenses. Clients compute it, verification replays it."""

from fedleak.client_round import Sent, client_round
from fedleak.contracts.chain import Chain
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import one_thread


def reply(
    task: Task,
    before: Weights,
    examples: Batch,
    training: LocalTraining,
    chain: Chain,
    seed_key: tuple[object, ...],
    kept: NamedTensors | None = None,
) -> Sent:
    """`client_round` on one thread: the same arguments give the same bits in any process of one machine."""
    with one_thread():
        return client_round(task, before, examples, training, chain, seed_key, kept)

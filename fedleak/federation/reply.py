"""Reply of a client: its weights after training and defenses. Clients compute it, verification replays it."""

from fedleak.client_round import Sent, client_round
from fedleak.contracts.chain import Chain
from fedleak.contracts.tampered import Tampered
from fedleak.learning.batch import Batch
from fedleak.learning.device import computing_on
from fedleak.learning.facts import Device
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
    device: Device = "cpu",
    tampered: Tampered | None = None,
) -> Sent:
    """`client_round` on one thread: on the processor the same arguments give the same bits in any process of a machine.

    Whatever the device, what comes in and what goes out lies in memory, and draws are those of the processor but for
    what the network itself draws (dropout).
    """
    there = {name: value.to(device) for name, value in (kept or {}).items()}
    with one_thread(), computing_on(device):
        sent = client_round(task, before.to(device), examples.to(device), training, chain, seed_key, there, tampered)
    return Sent(weights=sent.weights.to("cpu"), kept={name: value.cpu() for name, value in sent.kept.items()})

"""What a client sends back: its weights after training and the defenses. Clients run it, verification replays it."""

from fedleak.batch import Batch
from fedleak.defense import Defense, protect
from fedleak.randomness import generator
from fedleak.task import Task
from fedleak.threads import one_thread
from fedleak.training import LocalTraining, train_locally
from fedleak.update import Update, UpdateKind
from fedleak.weights import Weights


def reply_weights(
    task: Task,
    before: Weights,
    examples: Batch,
    training: LocalTraining,
    chain: tuple[Defense, ...],
    dice: tuple[object, ...],
) -> Weights:
    """Trains from `before` and applies the defenses to the weight delta; buffers leave as training made them.

    The same arguments give the same bits in any process of one machine. `dice` seeds batch order, dropout and the
    defenses. Masking is not part of it: see `defenses.secure_aggregation`. Raises `NonFiniteError`.
    """
    with one_thread():
        after = train_locally(task, before, examples, training, dice)
        # before + (after - before) is not after to the last bit, so an undefended reply is left alone.
        acting = tuple(defense for defense in chain if defense.protocol is None)
        if not acting:
            return after
        delta = {name: after.parameters[name] - value for name, value in before.parameters.items()}
        sent = protect(Update(delta, UpdateKind.DELTA), acting, generator(*dice, "defense"))
        return Weights({name: before.parameters[name] + sent.tensors[name] for name in delta}, after.buffers)

"""A client of Flower's SecAgg+ that the server makes up: Flower's own mod around an update of its choice."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flwr.app import Context, Message, RecordDict
from flwr.client.mod import secaggplus_mod
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters
from flwr.compat.common import recorddict_compat as compat
from numpy.typing import NDArray

from fedleak.defenses.secure_aggregation_flower import sendable
from fedleak.federation.plan import FederationPlan
from fedleak.learning.weights import Weights, frozen_in
from fedleak.recording.recording import Recording


@dataclass(frozen=True)
class FlowerPlayer:
    """With the mod's state in a context of its own, as on a node."""

    context: Context
    arrays: Sequence[NDArray[np.float32]]
    examples: int

    @classmethod
    def of(cls, plan: FederationPlan, node: int, before: Weights, part: Recording | None) -> "FlowerPlayer":
        """One that sends weights of zero with a weight of zero, or what is recorded of the client in its place."""
        state = {} if part is None else part.state
        shapes = sendable(before, frozen_in(plan.public_task().network))
        arrays = [
            state.get(name, value * 0).cpu().reshape(value.shape or (1,)).numpy() for name, value in shapes.items()
        ]
        examples = 0 if part is None else part.num_examples or 0
        return cls(Context(0, node, {}, RecordDict(), {}), arrays, examples)

    def answer(self, message: Message) -> Message:
        """What the mod says; it takes words out of what it is given."""
        return secaggplus_mod(copy.deepcopy(message), self.context, self._trained)

    def _trained(self, message: Message, _: Context) -> Message:
        result = FitRes(
            status=Status(Code.OK, "trained"),
            parameters=ndarrays_to_parameters([np.asarray(one) for one in self.arrays]),
            num_examples=self.examples,
            metrics={},
        )
        return Message(compat.fitres_to_recorddict(result, keep_input=False), reply_to=message)

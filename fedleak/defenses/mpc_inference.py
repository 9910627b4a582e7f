"""Inference on secret shares: operators of a prediction API who each hold a share answer together."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import nn

from fedleak.contracts.defense import defenses
from fedleak.contracts.private_inference import PrivateEvaluation
from fedleak.defenses.parts.dense import ACTIVATIONS
from fedleak.defenses.parts.mpc_party import MASK
from fedleak.defenses.parts.network_steps import Affine, affine_maps, require_size, segments, widths
from fedleak.defenses.parts.private_inference import PrivateInference
from fedleak.defenses.parts.secret_sharing import SharedEvaluation, require_mpyc, threshold_of
from fedleak.errors import ConfigError
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights

MOST_VALUES = 2**14
MOST_WEIGHTS = 2**20
"""Of one map's matrix: each party is handed 16 bytes for each, and Python's whole numbers are slow."""


@defenses.register("mpc-inference")
@dataclass(frozen=True, kw_only=True)
class MPCInference(PrivateInference):
    """Answers shares of a query with shares of its scores, which several operators compute together (BGW, by MPyC).

    The user shares out a query after Shamir and joins the scores; operators multiply shares and truncate fixed-point
    numbers over loopback, in processes of their own. They open masked values alone, under MPyC's security parameter of
    30 bits. What they follow is the protocol (semi-honest). The softmax is the user's. Fewer than half of the operators
    together learn no more than these say, so two would each hold the secret itself and are refused.
    https://github.com/lschoe/mpyc
    """

    paper: ClassVar = "https://doi.org/10.1145/62212.62213"
    cites: ClassVar = "benor1988completeness"
    adaptive_strategy: ClassVar[str] = "asks as if nothing were shared: who asks joins every confidence"
    parties: Annotated[int, Field(ge=2, le=7)] = 3
    """The operators."""
    activation: Literal["relu", "square"] = "relu"
    """Comparisons with zero, which leave the network as it is; or the polynomial in the place of each activation."""
    share_model: bool = True
    """Whether operators hold shares of the model, or each the model itself."""

    def __post_init__(self) -> None:
        if not threshold_of(self.parties):
            raise ConfigError(
                f"parties: MPyC shares among {self.parties} with threshold 0, so that each share is the secret itself "
                "and nothing is hidden; expected 3 or more"
            )

    @property
    def caveat(self) -> str:
        together, what = threshold_of(self.parties), "queries, answers and model" if self.share_model else "queries"
        alone = "one operator" if together == 1 else f"any {together} operators"
        held = "" if self.share_model else "; each operator has the model"
        return (
            f"it hides {what} from {alone} of {self.parties} as long as all follow the protocol, and opens "
            f"masked values alone (under MPyC's security parameter of {MASK} bits, for numbers below 2**35); "
            f"{together + 1} together read everything, and nothing is hidden from the user, who joins every "
            "confidence: an attack that asks gets what it would get without, and operators can refuse, round or detect "
            "nothing but count requests"
            f"{held}; {self.really}"
        )

    def transform_task(self, task: Task) -> Task:
        return super().transform_task(task) if self.activation == "square" else task

    def steps(self, task: Task) -> list[list[nn.Module]]:
        if self.activation == "square":
            return super().steps(task)
        other = [type(one).__name__ for one in task.network.modules() if type(one) in ACTIVATIONS[1:]]
        if other:
            raise ConfigError(
                f"'{self.name}' compares with zero (activation = \"relu\"), and '{task.name}' has {other[0]}; take "
                'activation = "square", which is put in its place'
            )
        return segments(task, (nn.ReLU,), self.name)

    def maps(self, task: Task, weights: Weights) -> list[Affine]:
        if self.activation == "square":
            return super().maps(task, weights)
        return list(affine_maps(task, weights, self.steps(task)))

    def require(self, task: Task) -> None:
        super().require(task)
        trained = self.transform_task(task)
        require_size(task, widths(trained, self.steps(trained)), MOST_VALUES, self.name, MOST_WEIGHTS)

    def require_installed(self) -> None:
        if self.computed:
            require_mpyc(self.name)

    def evaluated(self, task: Task, weights: Weights) -> PrivateEvaluation:
        require_mpyc(self.name)
        maps = self.maps(task, weights)
        return SharedEvaluation(maps, self.activation, self.parties, share_model=self.share_model)

"""Traffic: what reaches a prediction API, as its operator and the defenses of its answers see it."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What one user has asked, oldest first."""

    inputs: Float[Tensor, "before *shape"]
    probabilities: Float[Tensor, "before classes"]
    """What the model says of them, whatever was answered."""
    admitted: Bool[Tensor, " before"]
    """Which were answered; the others were refused."""
    derived: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)
    """What was worked out of this past, or of the beginning of it, by whoever did: so that it isn't worked out anew for
    each request. It may be emptied at any time, and changes no answer."""

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request with all that a defense may go by. A defense of answers keeps nothing itself: the past comes in."""

    inputs: Float[Tensor, "asked *shape"]
    probabilities: Float[Tensor, "asked classes"]
    """What would be answered so far: of the model, or of the defenses before this one in the chain. Whoever admits
    sees the model's."""
    history: Traffic
    """What the same user asked before."""
    benign: Float[Tensor, "benign *shape"]
    """Queries of users who mean no harm, that the operator has: what a detector learns is usual."""
    days: float = 0.0
    """For how long the user goes on asking, evenly: what a limit for each day is multiplied by."""

    def __len__(self) -> int:
        return len(self.inputs)

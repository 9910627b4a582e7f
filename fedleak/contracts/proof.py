"""The proof of a defense: what is proved of it, in the accountants' terms, and what that takes."""

import math
from typing import ClassVar

from fedleak.accounting.declared import Declared
from fedleak.accounting.mechanism import Mechanism, Response, Situation, Unproven, Vantage
from fedleak.learning.training import LocalTraining


class PrivacyProof:
    """What is proved of a defense, and what it takes to prove it. What is not overridden proves nothing."""

    def sensitivity_bound(self, norm: float) -> float:
        """The greatest norm of an update that `protect` returns, if the one that it is given has at most this norm."""
        return math.inf

    def mechanism(self, situation: Situation) -> Mechanism | Response | Unproven | None:
        """What one round proves, for accountants; None where nothing is claimed, a reason where it does not hold."""
        return None

    @property
    def declared(self) -> Declared | None:
        """The epsilon that its settings name, as they are written; None: they name none."""
        return None

    def require_examples(self, held: int) -> None:
        """Raises `ConfigError` where a client holds fewer examples than the defense, or what is proved, counts on."""

    @property
    def mixes_share(self) -> bool:
        """Whether what `prepare` makes of an example goes by the other examples of the share."""
        return False

    reveals: ClassVar[Vantage] = "message"
    """What a curious server sees of a round, alone: single messages, also where they are masked in a way that has been
    broken, or only their sum."""

    @property
    def grid(self) -> float:
        """Of a protocol: the step that each client's part of a sum is rounded to before it is added."""
        return 0.0

    @property
    def least_survivors(self) -> int | None:
        """Of a protocol that bears with clients that leave: the fewest over which it opens a sum; None: all."""
        return None

    def noise(self, training: LocalTraining) -> float:
        """Standard deviation of the noise in an entry of what one client sends; 0 for none, and where it is unknown."""
        return 0.0

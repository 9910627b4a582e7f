"""History of a client: which rounds it has answered, kept in its own state, and what it refuses for that reason.

Masks and noise are drawn by round, so two answers of one round tell what is between them, and what is sent before the
recorded rounds is undefended. A server that lies about rounds is refused in a sentence. A client's state lasts as
long as Flower keeps it: a node that is started anew has forgotten it.
"""

from dataclasses import dataclass, replace

from flwr.app import ConfigRecord, Context

from fedleak.errors import FederationError
from fedleak.federation.plan import FederationPlan

HISTORY = "fedleak.history"
"""The record in the client's state."""


@dataclass(frozen=True, kw_only=True)
class History:
    """The latest rounds that were answered, and a digest of what was asked in the last of them."""

    pretrained: int = 0
    """The latest of those before the recorded ones; 0 for none."""
    round: int = 0
    """The latest of the recorded ones and those after them; 0 for none."""
    asked: str = ""
    answered: bool = False
    """Whether there was an answer to what was asked last: a round counts as soon as its examples are touched."""

    @classmethod
    def of(cls, context: Context) -> "History":
        """What the client's state holds; nothing before its first answer."""
        record = context.state.config_records.get(HISTORY)
        if record is None:
            return cls()
        return cls(
            pretrained=int(str(record["pretrained"])),
            round=int(str(record["round"])),
            asked=str(record["asked"]),
            answered=bool(record["answered"]),
        )

    def keep(self, context: Context) -> None:
        """Leaves it for the next round."""
        context.state[HISTORY] = ConfigRecord(
            {"pretrained": self.pretrained, "round": self.round, "asked": self.asked, "answered": self.answered}
        )

    def admitting(self, plan: FederationPlan, round: int, *, pretraining: bool, asked: str) -> "History":
        """The history with this round begun; raises `FederationError` where it must not be.

        A round that was answered is answered again where it asks for the very same.
        """
        if pretraining:
            self._require_early(round, plan.model.trained_rounds)
            self._require_onward(round, self.pretrained, asked)
            return self._begun(asked, round == self.pretrained, pretrained=round)
        require_planned(plan, round)
        self._require_onward(round, self.round, asked)
        return self._begun(asked, round == self.round, round=round)

    def _begun(self, asked: str, again: bool, **rounds: int) -> "History":
        """With a round that is asked for, which may have been answered before."""
        return replace(self, asked=asked, answered=self.answered and again and asked == self.asked, **rounds)

    def _require_early(self, round: int, trained_rounds: int) -> None:
        if self.round:
            raise FederationError(
                f"the server asks for training before the recorded rounds, and this client has answered round "
                f"{self.round}; what is sent there is undefended, so it refuses"
            )
        if not 1 <= round <= trained_rounds:
            raise FederationError(
                f"the server asks for round {round} of training before the recorded ones, and model.trained_rounds is "
                f"{trained_rounds}; what is sent there is undefended, so this client refuses"
            )

    def _require_onward(self, round: int, latest: int, asked: str) -> None:
        if round < latest:
            raise FederationError(
                f"the server goes back to round {round}, and this client has answered round {latest}; it refuses"
            )
        if round == latest and asked != self.asked:
            raise FederationError(
                f"the server asks for round {round} again, with another content; two answers under the same masks and "
                "noise would tell what is between them, so this client refuses"
            )


def require_planned(plan: FederationPlan, round: int) -> None:
    """Refuses a round that the plan does not have."""
    if not 1 <= round <= plan.rounds:
        raise FederationError(
            f"the server asks for round {round}, and the plan of this run has rounds 1 to {plan.rounds}; this "
            "client refuses"
        )

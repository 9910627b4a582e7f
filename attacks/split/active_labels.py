"""Active label inference: the same of a party whose optimizer made its own network learn more than it should."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.attack import attacks

from ..parts.model_completion import ModelCompletion


@attacks.register("active-labels")
@dataclass(frozen=True, kw_only=True)
class ActiveLabels(ModelCompletion):
    """Completes a bottom network that its party trained by `malicious-optimizer`, as `passive-labels` does.

    The party deviates from the protocol in its own steps alone, `does = [{ use = "malicious-optimizer" }]`, from the
    first step of training on; nobody else's code changes.
    """

    paper: ClassVar = "https://www.usenix.org/conference/usenixsecurity22/presentation/fu-chong"
    cites: ClassVar = "fu2022label"

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({"malicious-optimizer"})

"""Withheld layers: parameters that clients do not share (personalization layers)."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar

from pydantic import ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError, did_you_mean
from fedleak.learning.task import Task
from fedleak.learning.weights import names_of


def _some_patterns(value: Any, handler: Callable[[Any], Any]) -> Any:
    try:
        patterns = handler(value)
    except ValidationError:
        patterns = ()
    if not patterns:
        raise PydanticCustomError("patterns", 'a list of patterns of names, such as ["fc.*"]')
    return patterns


@defenses.register("withhold")
@dataclass(frozen=True, kw_only=True)
class Withhold(Defense):
    """Never sends some layers of the network; every client trains its own and keeps them from round to round.

    The server goes on sending what it began with, and clients put their own in place of it. Nothing is said about what
    these layers' gradients would tell, but the layers that are shared are trained on the same examples.
    """

    paper: ClassVar = "https://arxiv.org/abs/1912.00818"
    cites: ClassVar = "arivazhagan2019federated"
    adaptive_strategy: ClassVar[str] = "matches the layers that are shared alone"
    layers: Annotated[tuple[str, ...], WrapValidator(_some_patterns)]
    """Patterns of the names of parameters and buffers, such as "fc.*", in which * stands for anything."""

    def require(self, task: Task) -> None:
        names = names_of(task.network)
        for pattern in self.layers:
            if not any(fnmatchcase(name, pattern) for name in names):
                layers = sorted({f"{name.partition('.')[0]}.*" for name in names})
                raise ConfigError(
                    f"withhold: no parameter or buffer of '{task.name}' matches '{pattern}'"
                    f"{did_you_mean(pattern, layers)}"
                )
        if self.withheld(task).issuperset(name for name, _ in task.network.named_parameters()):
            raise ConfigError(
                f"withhold: {', '.join(self.layers)} match every parameter of '{task.name}', so that clients would "
                "share nothing; leave out one layer at least"
            )

    def withheld(self, task: Task) -> frozenset[str]:
        return frozenset(
            known_as
            for name, known_as in names_of(task.network).items()
            if any(fnmatchcase(name, pattern) for pattern in self.layers)
        )

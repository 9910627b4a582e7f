"""Manipulated: several manipulations of one server, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fedleak.contracts.manipulation import Crafting, Isolation, Manipulation, ServerTerms, manipulations
from fedleak.errors import ConfigError
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.settings.base import Table

WHERE = "server.chain"
"""Their place in the settings of a federation."""


def built(tables: Sequence[Table], where: str = WHERE) -> tuple[Manipulation, ...]:
    """The manipulations that an experiment names; raises `ConfigError` with the place of what is wrong."""
    return tuple(manipulations.from_table(table, f"{where}.{i}") for i, table in enumerate(tables))


def tables_of(does: Sequence[Manipulation]) -> list[Table]:
    """`{use = name, ...}` with every option, for each."""
    return [{"use": one.name, **one.options()} for one in does]


def shipped(task: Task, does: Sequence[Manipulation]) -> Task:
    """The task with the network that the server ships."""
    for one in does:
        task = one.transform_task(task)
    return task


def require_fitting(does: Sequence[Manipulation], terms: ServerTerms, where: str = WHERE) -> None:
    """Raises `ConfigError` where one of them does not fit the federation."""
    for i, one in enumerate(does):
        if one.uses_public and not terms.public:
            raise ConfigError(
                f"{where}.{i}: {one.name} is made from public examples, and the adversary holds none; set "
                "adversary.auxiliary"
            )
        try:
            one.require(terms)
        except ConfigError as error:
            raise ConfigError(f"{where}.{i}: {error}") from error
        victim = one.aims_at()
        if victim is not None and terms.victims is not None and victim >= terms.victims:
            raise ConfigError(
                f"{where}.{i}: {one.name} is after client {victim}, and messages of the first {terms.victims} are "
                f"attacked, counted from 0; set adversary.victims to {victim + 1} or more, or name one of these"
            )
        for j, other in enumerate(does[:i]):
            if not (one.stands_beside(other) and other.stands_beside(one)):
                raise ConfigError(
                    f"{where}.{i}: {one.name} and {other.name} of {where}.{j} would undo each other in one round; "
                    "give each a row [[servers]] of its own"
                )


def crafted(does: Sequence[Manipulation], at: Crafting, seed_key: tuple[object, ...]) -> Weights:
    """The weights that a client is sent, in the end; draws are the same in all rounds and for all clients."""
    for place, one in enumerate(does):
        rng = generator(*seed_key, "manipulation", place)
        at = replace(at, weights=one.craft(at, rng))
    return at.weights


def isolation(does: Sequence[Manipulation], task: Task, before: Mapping[int, Weights]) -> Isolation | None:
    """What a sum says of one client alone; of several manipulations the first that isolates one."""
    found = (one.isolation(task, before) for one in does)
    return next((one for one in found if one is not None), None)


def parts(does: Sequence[Manipulation], task: Task, before: Mapping[int, Weights]) -> Mapping[int, int]:
    """Where each client's examples go; of several manipulations by the first that keeps clients apart."""
    found = (one.parts(task, before) for one in does)
    return next((one for one in found if one), {})


def expected_alone(does: Sequence[Manipulation], examples: int, cohort: int | None = None) -> float | None:
    """How many of so many examples chance leaves alone in what is planted, by the first that sorts them."""
    found = (one.expected_alone(examples, cohort) for one in does)
    return next((one for one in found if one is not None), None)


def bins_read(does: Sequence[Manipulation]) -> int | None:
    """Bins that examples are sorted into, none of which gives back more than one; None where nothing says so."""
    return does[0].bins_read() if len(does) == 1 else None

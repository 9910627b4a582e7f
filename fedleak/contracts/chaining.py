"""Chaining: which defenses can follow each other, and which cannot."""

from collections.abc import Sequence

from fedleak.contracts.defense import Defense, Place
from fedleak.errors import ConfigError
from fedleak.learning.task import Task


def acting_on(defenses: Sequence[Defense], place: Place) -> tuple[Defense, ...]:
    """Those that act at a place, in order."""
    return tuple(defense for defense in defenses if place in defense.acts_on)


def after_training(defense: Defense) -> bool:
    """Whether it acts on a model that leaves its federation, or on answers, alone."""
    return bool(defense.acts_on) and defense.acts_on <= {"release", "answers"}


def only_watches(defense: Defense) -> bool:
    """Whether it looks at a received model and changes nothing of what a client does with it."""
    return "received" in defense.acts_on and defense.acts_on <= {"received", "requirements"}


def require_protocol_last(defenses: Sequence[Defense]) -> None:
    """Raises `ConfigError` where a defense follows one that needs a wire protocol, or has no place in that."""
    _require_comparable(defenses)
    needing = [defense for defense in defenses if defense.protocol is not None]
    training = [defense for defense in defenses if not after_training(defense)]
    if needing and (len(needing) > 1 or training[-1] is not needing[0]):
        alone = [defense.name for defense in needing if not defense.shares_model]
        why = (
            f"under '{alone[0]}' clients share no model that another defense could change or mask"
            if alone
            else f"'{needing[0].name}' masks what the other defenses produced"
        )
        raise ConfigError(
            f"{why}, so '{(alone or [needing[0].name])[0]}' must come once and last in a chain; got "
            f"{', '.join(defense.name for defense in defenses)}"
        )


def _require_comparable(defenses: Sequence[Defense]) -> None:
    """Raises `ConfigError` where models are to be compared under a protocol that leaves no place for it."""
    comparing = [defense for defense in defenses if defense.compares_models]
    protocols = [defense for defense in defenses if not defense.trains_at_once]
    if comparing and protocols:
        raise ConfigError(
            f"'{comparing[0].name}' compares models before clients train on them, for which '{protocols[0].name}' has "
            "no place; take 'secure-aggregation', whose masks are bound to the model"
        )


def require_one_gradient(defenses: Sequence[Defense]) -> None:
    """Raises `ConfigError` where several defenses say what gradient a local step follows."""
    acting = acting_on(defenses, "gradient")
    if len(acting) > 1:
        names = " and ".join(f"'{defense.name}'" for defense in acting)
        raise ConfigError(f"{names} each say what gradient a local step follows and cannot be chained; keep one")


def require_seen(defenses: Sequence[Defense]) -> None:
    """Raises `ConfigError` where a defense needs to see what another hides, or changes the network it evaluates."""
    hiding = [defense for defense in defenses if not defense.sees_requests]
    if not hiding:
        return
    name = hiding[0].name
    if len(hiding) > 1:
        raise ConfigError(f"'{name}' and '{hiding[1].name}' each compute all answers and cannot be chained; keep one")
    for defense in acting_on(defenses, "answers"):
        if defense is not hiding[0] and not defense.counts_alone:
            raise ConfigError(
                f"under '{name}' the operator sees neither queries nor answers, which '{defense.name}' acts on; leave "
                "one of them out (rate-limit needs no more than the number of queries)"
            )
    behind = defenses[list(defenses).index(hiding[0]) + 1 :]
    for defense in acting_on(behind, "task"):
        raise ConfigError(f"'{defense.name}' changes the network that '{name}' is to evaluate; put '{name}' behind it")


def require_shared(defenses: Sequence[Defense], task: Task) -> None:
    """Raises `ConfigError` where they withhold what one of them replaces, or all there is.

    `task` is the transformed one.
    """
    withholding = acting_on(defenses, "layers")
    alone = [defense.name for defense in defenses if not defense.shares_model]
    if withholding and alone:
        raise ConfigError(
            f"'{withholding[0].name}' withholds layers of what clients share, and under '{alone[0]}' they share no "
            "model; keep one"
        )
    for defense in withholding:
        if not defense.withheld(task):
            raise ConfigError(
                f"'{defense.name}' withholds layers that a later defense of the chain replaces, so that it would "
                "withhold nothing; leave one of them out"
            )
    withheld = frozenset(name for defense in defenses for name in defense.withheld(task))
    if withheld.issuperset(name for name, _ in task.network.named_parameters()):
        names = " and ".join(f"'{defense.name}'" for defense in withholding)
        raise ConfigError(
            f"{names} withhold every parameter of '{task.name}', so that clients would share nothing; "
            "leave out one layer at least"
        )

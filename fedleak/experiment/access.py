"""Access: refuses an experiment whose attacks look at what nobody gets at, or that opens a service nobody asks."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.cut import Cut, CutAttack, Seat, cut_attack_in
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.contracts.tampering import tamperings
from fedleak.contracts.view import View
from fedleak.errors import ConfigError, NotApplicable
from fedleak.experiment.explanations import require_explanations
from fedleak.formatting import listed
from fedleak.learning.having import require_property
from fedleak.learning.source import Source
from fedleak.learning.space import space_of_source
from fedleak.learning.stacked_federations import require_room
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import Table
from fedleak.settings.federation import PlanSettings
from fedleak.settings.task import TaskSettings
from fedleak.tasks import task_of

LEAST_OF_TWO = 2
"""Questions without which two versions cannot be asked the same."""


def looks_at(table: Table) -> type[View]:
    """What the attack of a table sees."""
    return _facts(json.dumps(table, sort_keys=True))[0]


@lru_cache(maxsize=1024)
def _facts(text: str) -> tuple[type[View], frozenset[Kind], bool, bool]:
    """What an attack sees, guesses, whether that is what was trained on between two versions, and if it needs both."""
    attack = attacks.from_table(json.loads(text))
    return attack.sees, attack.targets, attack.compares_versions, "earlier" in attack.requires


@lru_cache(maxsize=1024)
def _cut_attack(text: str) -> CutAttack | None:
    return cut_attack_in(attacks.from_table(json.loads(text)))


def cut_attack_of(table: Table) -> CutAttack | None:
    """The attack on a cut that a table is of, or has within it; None where it looks at something else."""
    return _cut_attack(json.dumps(table, sort_keys=True))


def seats_of(table: Table) -> frozenset[Seat]:
    """From where an attack on a cut can be run."""
    attack = cut_attack_of(table)
    if attack is None:
        return frozenset()
    return attack.seats - {"active"} if attack.asks == "labels" else attack.seats  # who has the labels asks for none


def reads_payload(table: Table) -> bool:
    """Whether an attack reads what code hid in a model: of an honest one it reads as well as anybody who only guesses.

    An attack on what tampering did to training finds its target without it too, so that an honest model gives it away.
    """
    return any(tamperings.get(name).leaves == "payload" for name in attacks.from_table(table).reads)


def targets_of(table: Table) -> frozenset[Kind]:
    """What the attack of a table guesses."""
    return _facts(json.dumps(table, sort_keys=True))[1]


def sees_model(table: Table) -> bool:
    """Whether an attack looks at a model that left the federation, its weights or its answers, and not at updates."""
    return looks_at(table) not in (Observation, Cut)


def compares_versions(table: Table) -> bool:
    """Whether an attack guesses what was trained on between two releases; in the first there is nothing to guess."""
    return _facts(json.dumps(table, sort_keys=True))[2]


def require_access(settings: PlanSettings, tables: Sequence[Table], chains: Mapping[str, Chain], classes: int) -> None:
    """Raises `ConfigError` for attacks without what they look at, and for settings that nothing comes of.

    `tables` are the attacks without their labels, `classes` those of the task.
    """
    seen = [(str(table["use"]), looks_at(table)) for table in tables]
    _require_what_is_seen(settings, seen)
    comparing = [
        (i, name, view) for i, (name, view) in enumerate(seen) if _facts(json.dumps(tables[i], sort_keys=True))[3]
    ]
    _require_versions(settings, comparing)
    require_classes(settings.adversary, classes)
    require_explanations(settings, tables, chains)
    for i, (name, chain) in enumerate(chains.items()):
        _require_a_service(settings, chain, f"defenses.{i}.chain", name)
        _require_updates(chain, f"defenses.{i}.chain", name, seen)


def _require_what_is_seen(settings: PlanSettings, seen: list[tuple[str, type[View]]]) -> None:
    queries, released = settings.adversary.queries, settings.federation.releases
    for i, (name, view) in enumerate(seen):
        if view is Released and not released:
            served = " its answers alone are served;" if queries is not None else ""
            raise ConfigError(
                f"attacks.{i}: {name} reads the weights of a released model, and none leaves this federation;{served} "
                'set federation.release, as in release = "last"'
            )
        if view is Served and queries is None:
            there = " its weights alone are released;" if released else ""
            raise ConfigError(
                f"attacks.{i}: {name} asks a prediction API, and there is none;{there} set adversary.queries, as in "
                "queries = 1000"
            )
    if queries is not None and seen and not any(view is Served for _, view in seen):
        asking = [cls.name for cls in attacks if cls.declared is Served]
        raise ConfigError(
            f"adversary.queries: {queries} queries, and no attack here asks a prediction API; add one such as "
            f"{listed(asking, 'or')}, or leave queries out"
        )


def _require_versions(settings: PlanSettings, comparing: list[tuple[int, str, type[View]]]) -> None:
    """`comparing` are the attacks that compare versions of a model: their places, names, and what they see."""
    released, queries = settings.models, settings.adversary.queries
    for i, name, view in comparing:
        if len(released) < 2:
            raise ConfigError(
                f"attacks.{i}: {name} compares two versions of a model, and one leaves this federation; release two or "
                "more, as in release = [19, 20]"
            )
        if view is Served and queries is not None and queries < LEAST_OF_TWO:
            raise ConfigError(
                f"adversary.queries: {name} asks two versions of a model the same, so expected {LEAST_OF_TWO} or more "
                f"for both together, got {queries}"
            )


def _require_updates(chain: Chain, where: str, name: str, seen: list[tuple[str, type[View]]]) -> None:
    """Refuses attacks on updates where there are none."""
    protocol = chain.protocol
    reading = [attack for attack, view in seen if view is Observation]
    if protocol is not None and not protocol.shares_model and reading:
        raise ConfigError(
            f"{where}: under '{name}' ({protocol.name}) clients send no updates, and {reading[0]} looks at them; leave "
            "one of them out"
        )


def require_classes(adversary: AdversarySettings, classes: int, where: str = "adversary.lacks") -> None:
    """Raises `ConfigError` for lacking classes that there are not, twice, or of which none is left."""
    lacks = adversary.lacks
    unknown = [one for one in lacks if one >= classes]
    if unknown:
        raise ConfigError(f"{where}: no class {unknown[0]}; expected some of 0 to {classes - 1}")
    if len(set(lacks)) < len(lacks):
        raise ConfigError(f"{where}: expected each class once, got {list(lacks)}")
    if len(lacks) == classes and adversary.auxiliary:
        raise ConfigError(
            f"{where}: all {classes} classes, so that there is no public example left; leave some out, or set "
            f"{where.replace('lacks', 'auxiliary')} = 0 for an adversary without public examples"
        )


def require_shares(settings: PlanSettings, tables: Iterable[Table], source: Source) -> None:
    """Raises `ConfigError` for a property that the data lack, and where nobody tells shares of it apart, or none is
    there to tell. `tables` are the attacks without their labels.
    """
    adversary, skew = settings.adversary, settings.federation.skew
    if skew.property:
        require_property(space_of_source(source), skew.property, source.classes, "federation.skew.property")
    asked = [(str(one["use"]), *_facts(json.dumps(one, sort_keys=True))[:2]) for one in tables]
    telling = [(i, name) for i, (name, view, targets) in enumerate(asked) if tells_shares(view, targets)]
    if telling and not adversary.property:
        raise ConfigError(
            f"attacks.{telling[0][0]}: {telling[0][1]} tells shares of a property apart, and none is asked about; set "
            'adversary.property and adversary.shares, as in property = "sex=Female" and shares = [0.3, 0.6]'
        )
    if not adversary.property:
        return
    require_property(space_of_source(source), adversary.property, source.classes, "adversary.property")
    if asked and not telling:
        fitting = [cls.name for cls in attacks if cls.declared is Released and "property" in cls.__module__]
        raise ConfigError(
            f"adversary.property: '{adversary.property}', and no attack here tells shares of it apart; add one such as "
            f"{listed(fitting, 'or')}, or leave property and shares out"
        )


def tells_shares(view: type[View], targets: frozenset[Kind]) -> bool:
    """Whether an attack that looks at such a view and guesses such things is about shares of a property."""
    return view is not Observation and "properties" in targets


def _require_a_service(settings: PlanSettings, chain: Chain, where: str, name: str) -> None:
    """Refuses defenses of models that nobody gets and of answers that nobody gets, and limits a day without days."""
    releasing = [defense.name for defense in chain if "release" in defense.acts_on]
    if releasing and not settings.models:
        raise ConfigError(
            f"{where}: '{name}' changes what leaves the federation ({listed(releasing)}), and no model does; set "
            'federation.release, as in release = "last", or leave it out'
        )
    acting = [defense.name for defense in chain.answering]
    if acting and settings.adversary.queries is None:
        raise ConfigError(
            f"{where}: '{name}' acts on what a prediction API answers ({listed(acting)}), and there is none, so it "
            "does nothing; set adversary.queries, or leave it out"
        )
    if settings.adversary.patience is None and chain.most_answers(1.0) != chain.most_answers(2.0):
        raise ConfigError(
            f"{where}: '{name}' limits the answers of a day; say for how many days the adversary asks, as in "
            "adversary.patience = 30"
        )


def require_memory(tables: Iterable[Table], settings: TaskSettings) -> None:
    """Raises `ConfigError` where an attack on a model would train more models like it than memory has room for.

    `tables` are the attacks without their labels.
    """
    counts = {i: _own_models(table) for i, table in enumerate(tables) if sees_model(table)}
    if not any(counts.values()):
        return
    task = task_of(settings)
    for i, count in counts.items():
        try:
            require_room(task, count)
        except NotApplicable as error:
            raise ConfigError(f"attacks.{i}.shadows: {error}") from error


def _own_models(table: Table) -> int:
    """How many models of its own an attack trains: its option of that name, 0 where it has none."""
    return int(getattr(attacks.from_table(table), "shadows", 0))

"""Columns: refuses what an experiment asks of clients that hold columns and does not fit them."""

from collections.abc import Mapping, Sequence

from fedleak.contracts.at_cut import require_place
from fedleak.contracts.chain import Chain
from fedleak.contracts.cut import CutAttack
from fedleak.contracts.metric import metrics
from fedleak.errors import ConfigError
from fedleak.experiment.access import cut_attack_of, sees_model
from fedleak.goals.columns import ColumnMetric, PixelMetric
from fedleak.goals.goals import GOALS
from fedleak.learning.decision_tree import tree_in
from fedleak.learning.images import Images
from fedleak.learning.space import space_of_source
from fedleak.learning.table import Table as Columned
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import Table
from fedleak.settings.columns import require_nothing_averaged
from fedleak.settings.federation import PlanSettings
from fedleak.tasks import hardened, source_of


def require_no_strategy(tree: Table) -> None:
    """Raises `ConfigError` where a file names a strategy beside columns, be it the usual one; in a grid of both it may.

    What is not text the parser complains of.
    """
    federation = tree.get("federation")
    if not isinstance(federation, dict) or federation.get("partition") != "columns":
        return
    if isinstance(named := federation.get("strategy"), str):
        require_nothing_averaged(named)


def require_columns(settings: PlanSettings, tables: Sequence[Table], chains: Mapping[str, Chain]) -> None:
    """Raises `ConfigError` for columns or a cut that do not fit, and for attacks and defenses that have no place there.

    Also for defenses at a cut where there is none. What looks at the joint network after training fits. `tables` are
    the attacks without their labels.
    """
    for i, chain in enumerate(chains.values()):
        try:
            require_place(chain.defenses, columns=settings.federation.split is not None)
        except ConfigError as error:
            raise ConfigError(f"defenses.{i}.chain: {error}") from error
    cutting = [cut_attack_of(table) for table in tables]
    if settings.federation.split is None:
        for i, (table, attack) in enumerate(zip(tables, cutting, strict=True)):
            _require_no_cut(attack, f"attacks.{i}: {table['use']}")
        return
    task = hardened(settings.task, Chain(), settings.federation.split)
    for i, (table, attack) in enumerate(zip(tables, cutting, strict=True)):
        if sees_model(table):
            continue
        if attack is None:
            raise ConfigError(
                f"attacks.{i}: {table['use']} looks at what clients with rows of their own send or train, and these "
                'hold columns (federation.partition = "columns"); leave it out'
            )
        if tree_in(task.network) is not None:
            raise ConfigError(
                f"attacks.{i}: {table['use']} looks at what crosses the cut, and a decision tree is fitted without "
                "anybody seeing anything; leave it out, or choose another network"
            )
        if attack.asks == "labels" and task.criterion.several_labels:
            raise ConfigError(
                f"attacks.{i}: {table['use']} guesses one label of each row, and rows of '{task.name}' have several; "
                "leave it out, or choose another task"
            )
        require_reach(attack, settings.adversary, f"attacks.{i}: {table['use']}")


def _require_no_cut(attack: CutAttack | None, where: str) -> None:
    if attack is not None:
        raise ConfigError(
            f"{where} looks at what crosses a network that is cut among parties, and these clients hold rows; set "
            'federation.partition = "columns", or leave it out'
        )


def require_reach(attack: CutAttack, adversary: AdversarySettings, where: str) -> None:
    """Raises `ConfigError` for an attack without the use of others' networks, or the labels, that it needs."""
    access = adversary.bottoms
    if attack.needs and access not in (attack.needs, "weights"):
        enough = f'"{attack.needs}"' + ("" if attack.needs == "weights" else ' or "weights"')
        raise ConfigError(
            f"{where} needs the bottom networks of other parties, and adversary.bottoms is {access}; set it to {enough}"
        )
    if attack.learns_labels and not (adversary.known_labels or adversary.auxiliary):
        raise ConfigError(
            f"{where} learns from rows whose labels the adversary knows, and it knows none; set "
            "adversary.known_labels, as in known_labels = 40, or adversary.auxiliary for public rows"
        )


def metrics_of_cuts(settings: PlanSettings, tables: Sequence[Table]) -> frozenset[str]:
    """Which metrics on columns can judge what the attacks are asked about: labels, columns of a table, of images."""
    asked = {attack.asks for table in tables if (attack := cut_attack_of(table)) is not None}
    source = source_of(settings.task)
    space = space_of_source(source)
    columns = space.columns if isinstance(space, Columned) and "columns" in asked else ()
    of_labels = {"column-accuracy", *(["column-auc"] if source.classes == 2 else [])} if "labels" in asked else set()
    built = {name: metrics.build(name, {}) for name in GOALS["columns"].metrics}
    return frozenset(
        name
        for name, metric in built.items()
        if ("columns" in asked and isinstance(space, Images) and isinstance(metric, PixelMetric))
        or (isinstance(metric, ColumnMetric) and metric.of_members and any(map(metric.applies_to, columns)))
    ) | frozenset(of_labels)

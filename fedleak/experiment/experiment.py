"""An experiment: the frozen description of one run, parsed once from TOML, with the metrics that fit its attacks."""

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.metric import Metric, metrics
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind
from fedleak.errors import ConfigError, DataError, echo
from fedleak.experiment.access import require_access, require_memory, require_shares
from fedleak.experiment.columns import metrics_of_cuts, require_columns
from fedleak.experiment.hidden import adversary_of, hidden_columns, require_hidden, require_weights
from fedleak.experiment.overrides import override
from fedleak.experiment.secrets import require_secret
from fedleak.experiment.servers import require_networks
from fedleak.experiment.tampering import require_tampering
from fedleak.goals.columns import ColumnMetric
from fedleak.goals.goals import GOALS
from fedleak.learning.table import Column
from fedleak.learning.training import require_trained_so
from fedleak.processes.home import at_home
from fedleak.settings.base import A_NAME, Name, Settings, Table, is_name, parse_settings
from fedleak.settings.federation import PlanSettings
from fedleak.settings.task import TaskSettings
from fedleak.tasks import source_of, task_of

MOST_LEVELS = 32
"""Tables and lists within each other in a file."""


REPEATABLE: Mapping[str, Table] = {"secure-aggregation": {"keys": "seeded"}}
"""What defenses have in an experiment that says nothing of it, so that runs repeat. A deployment has what is safe."""


def repeatable(chain: tuple[Table, ...]) -> tuple[Table, ...]:
    """The chain with what makes a run repeat, where the experiment leaves it open."""
    return tuple({**table, **REPEATABLE.get(str(table.get("use")), {}), **table} for table in chain)


class NamedDefense(Settings):
    """A row of the comparison: a name, and the chain of defenses it stands for."""

    name: Name
    chain: Annotated[tuple[Table, ...], AfterValidator(repeatable)] = ()


def _some_name(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("name", "a name that is not empty")
    return value


class Experiment(PlanSettings):
    """One run: a federation for each defense, each recording attacked by each attack, scored by each metric."""

    name: Annotated[str, AfterValidator(_some_name)]
    metrics: tuple[str, ...] = ()
    """Where a file names none, `parse_experiment` takes those that judge what the attacks answer with."""
    attacks: tuple[Table, ...] = ()
    """`{use = NAME, ...}` with the attack's options, and optionally the `label` that its rows have."""
    defenses: tuple[NamedDefense, ...] = (NamedDefense(name="none"),)

    def build_attacks(self) -> tuple[Attack, ...]:
        """The attacks with their hyper-parameters."""
        return tuple(attacks.from_table(unlabeled(table), f"attacks.{i}") for i, table in enumerate(self.attacks))

    def build_chains(self) -> dict[str, Chain]:
        """The chain of each named defense, as it acts in this run."""
        return {row.name: self._chain(row, f"defenses.{i}.chain") for i, row in enumerate(self.defenses)}

    def _chain(self, row: NamedDefense, where: str) -> Chain:
        chain = Chain.build(row.chain, where)
        try:
            return chain.planned(self.phases)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error

    def build_metrics(self) -> tuple[Metric, ...]:
        """The metrics."""
        return tuple(metrics.build(name, {}, f"metrics.{i}") for i, name in enumerate(self.metrics))


def parse_experiment(tree: Table) -> Experiment:
    """An experiment from parsed TOML; every name and option in it is checked here, before anything runs."""
    experiment = parse_unjudged(tree)
    require_judged(experiment.build_attacks(), experiment.build_metrics())
    return experiment


def parse_unjudged(tree: Table, *, whole: bool = True) -> Experiment:
    """The same where the attacks are not all there yet, so that metrics may still have nothing to judge.

    Nor need its parts fit each other where it is not the whole, as what combinations of settings have in common.
    """
    experiment = parse_settings(Experiment, tree)
    names = [row.name for row in experiment.defenses]
    if len(set(names)) < len(names):
        raise ConfigError(f"defenses: each needs a name of its own, got {', '.join(names)}")
    for i, table in enumerate(experiment.attacks):
        if "label" in table and (not isinstance(table["label"], str) or not table["label"]):
            raise ConfigError(f"attacks.{i}.label: expected {A_NAME}, got {echo(table['label'])}")
    for metric, times in Counter(experiment.metrics).items():
        if times > 1:
            raise ConfigError(f'metrics: "{metric}" comes {"twice" if times == 2 else f"{times} times"}; name it once')
    experiment.build_attacks()
    if whole:
        adversary = adversary_of(experiment, [unlabeled(table) for table in experiment.attacks])
        experiment = experiment.model_copy(update={"adversary": adversary})
    if "metrics" not in experiment.model_fields_set:
        experiment = experiment.model_copy(update={"metrics": _fitting_metrics(experiment)})
    if whole:
        require_fitting(experiment)
    experiment.build_metrics()
    return experiment


def _fitting_metrics(experiment: Experiment) -> tuple[str, ...]:
    """Those that judge what the attacks of an experiment answer with, as far as that says what they guess."""
    built, hidden = experiment.build_attacks(), hidden_columns(experiment.adversary, experiment.task)
    if experiment.federation.split is None:
        return metrics_for(built, hidden)
    of_cuts = metrics_of_cuts(experiment, [unlabeled(table) for table in experiment.attacks])
    fitting = {*of_cuts, *(metrics_for(built, hidden) if hidden else ())}
    return tuple(one for one in metrics_for(built) if metrics.build(one, {}).compares != "columns" or one in fitting)


def read_tree(path: Path, overrides: tuple[str, ...] = ()) -> Table:
    """A parsed experiment file; `overrides` are `key=value` with dotted keys and values as TOML has them."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except IsADirectoryError as error:
        raise DataError(f"cannot read the experiment {path}: it is a folder; give a .toml file") from error
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the experiment {path}: {error}") from error
    try:
        tree = tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply; expected at most {MOST_LEVELS} levels") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    for setting in overrides:
        override(tree, setting)
    _require_shallow(tree, path)
    return tree


def unlabeled(table: Table) -> Table:
    """A table of an attack without its label: what the attack is built from."""
    return {key: value for key, value in table.items() if key != "label"}


def require_fitting(experiment: Experiment) -> None:
    """Refuses a task or a way of training that does not exist, and a defense that does not fit its network."""
    at_home(experiment.task.home, _require_fitting, experiment)


def _require_fitting(experiment: Experiment) -> None:
    _require_task(experiment.task)
    require_trained_so(experiment.federation.training())
    chains = experiment.build_chains()
    source, tables = source_of(experiment.task), [unlabeled(table) for table in experiment.attacks]
    require_columns(experiment, tables, chains)
    require_tampering(experiment, tables, chains)
    require_access(experiment, tables, chains, source.classes)
    require_weights(experiment, tables)
    require_hidden(experiment.adversary, tables, source)
    require_shares(experiment, tables, source)
    require_memory(tables, experiment.task)
    require_secret(experiment, tables, source)
    require_networks(experiment, chains)


def _require_task(settings: TaskSettings) -> None:
    """Refuses a task that there is not; a table's network is built, as only that shows whether it fits the data."""
    source_of(settings)
    if not settings.is_short:
        task_of(settings)


def require_judged(attacks: Sequence[Attack], metrics: Sequence[Metric]) -> None:
    """Raises `ConfigError` where no metric can judge what any attack answers with: a run without a single figure."""
    if attacks and metrics and not any(judges(metric, attack) for metric in metrics for attack in attacks):
        named = " and ".join(dict.fromkeys(metric.name for metric in metrics))
        fitting = ", ".join(f'"{name}"' for name in metrics_for(attacks))
        raise ConfigError(
            f"metrics: {named} can judge none of these attacks, so there would be no figure; add some of {fitting}, or "
            "leave metrics out"
        )


def metrics_for(attacks: Sequence[Attack], hidden: Sequence[Column] = ()) -> tuple[str, ...]:
    """The metrics that some attack can be judged by; without attacks those of images and labels.

    Of those on hidden columns they are such as can judge some that are `hidden`.
    """
    answers = frozenset[Kind]().union(*(attack.targets for attack in attacks)) or {"inputs", "labels"}
    of_models = frozenset[Kind]().union(*(attack.targets for attack in attacks if attack.sees is not Observation))
    named = (
        name
        for goal in GOALS.values()
        if goal.name in answers
        for name in (*goal.metrics, *(goal.metrics_of_models if goal.name in of_models else ()))
    )
    return tuple(name for name in named if not hidden or _fits_some(metrics.build(name, {}), hidden))


def _fits_some(metric: Metric, columns: Sequence[Column]) -> bool:
    on_column = isinstance(metric, ColumnMetric) and any(metric.applies_to(column) for column in columns)
    return on_column or metric.compares != "columns"


def judges(metric: Metric, attack: Attack) -> bool:
    """Whether the metric is on something that the attack guesses."""
    return metric.compares in attack.targets


def check_labels(tree: Table) -> None:
    """Refuses labels, as a file has them, that cannot name rows or stand for two attacks."""
    written = tree.get("attacks")
    owners: dict[str, tuple[int, Table]] = {}
    for i, table in enumerate(written if isinstance(written, list) else []):
        if not isinstance(table, dict) or "label" not in table:
            continue
        label = table["label"]
        if not is_name(label):
            raise ConfigError(f"attacks.{i}.label: expected {A_NAME}, got {echo(label)}")
        first, same = owners.setdefault(label, (i, table))
        if same != table:
            raise ConfigError(
                f"attacks.{i}.label: '{label}' names attacks.{first} too, which is another attack or has other options"
            )


def _require_shallow(tree: Table, path: Path) -> None:
    """Dotted keys nest without end, where whatever walks through them does not."""
    level: list[Any] = [tree]
    for _ in range(MOST_LEVELS):
        inner = [node.values() if isinstance(node, dict) else node for node in level]
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
        if not level:
            return
    raise ConfigError(f"{path} is nested too deeply; expected at most {MOST_LEVELS} levels")

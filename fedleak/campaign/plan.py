"""Which cells a run has: every attack on every message, each with the address of all that it depends on."""

from collections import Counter
from pathlib import Path

from fedleak.campaign.address import address_of, attack_tables, experiment_facts
from fedleak.campaign.cell import Cell
from fedleak.experiment import Experiment
from fedleak.federation.fingerprint import source_fingerprint
from fedleak.results import Place, Who
from fedleak.settings import Table


def labels_of(tables: list[Table]) -> list[str]:
    """Names for the rows: the attack's own, and `name-2`, `name-3`, ... where it is used again."""
    seen: Counter[str] = Counter()
    labels = []
    for table in tables:
        name = table["use"]
        seen[name] += 1
        labels.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return labels


def labelled_attacks(experiment: Experiment) -> dict[str, Table]:
    """The attacks of an experiment by label, every option written out."""
    tables = attack_tables(experiment)
    return dict(zip(labels_of(tables), tables, strict=True))


def federation_address(experiment: Experiment, defense: str) -> str:
    """What a federation depends on: its settings, its chain of defenses, and the source of fedleak."""
    facts = experiment_facts(experiment)
    settings = {key: value for key, value in facts.items() if key not in ("name", "metrics", "attacks", "defenses")}
    chain = next(row for row in facts["defenses"] if row["name"] == defense)
    return address_of([settings, chain, source_fingerprint()])


def cells_of(experiment: Experiment, root: Path, defense: str, messages: list[tuple[int, Who]]) -> list[Cell]:
    """The cells of one federation, in the order of the results: by message (round and sender), then attack."""
    federation = federation_address(experiment, defense)
    return [
        Cell(
            root=root,
            place=Place(attack=label, defense=defense, client=who, round=round, seed=experiment.seed),
            table=table,
            metrics=experiment.metrics,
            auxiliary=experiment.adversary.auxiliary,
            address=address_of([federation, round, who, label, table, experiment.metrics]),
        )
        for round, who in messages
        for label, table in labelled_attacks(experiment).items()
    ]

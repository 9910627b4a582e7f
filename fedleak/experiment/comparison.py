"""Comparison of defenses: an experiment with every attacker that it needs, and seeds to tune them on."""

from dataclasses import fields
from typing import Any

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.errors import ConfigError
from fedleak.experiment.access import sees_model
from fedleak.experiment.axes import axes_of, with_variants
from fedleak.experiment.experiment import unlabeled
from fedleak.experiment.grid import combinations_of, merged, parse_campaign
from fedleak.experiment.naming import variants_of
from fedleak.settings.base import Table

PLAIN = "plain"
LEARNED = "lti"
"""The second adaptive attacker of every defense: it learns to invert what the clients' pipeline sends."""
BARE = "none"
FEWEST = 2
TUNING_SEEDS = 2
GRID: Table = {"total_variation": [1e-3, 0.1, 0.3, 1.0], "steps": [1000], "restarts": [4]}
"""What is tried in place of an attack's own options, one at a time, by whoever knows the defense and who does not."""


def compared(tree: Table, seeds: int) -> Table:
    """The parsed experiment file with `seeds` seeds, an undefended row, and each attack that adapts in two forms.

    One knows the defenses and one, its control called "NAME plain", takes no notice of them. On seeds of their own both
    try the same other options, and on the seeds of the results each runs with those that got the most under a defense,
    so that a gain by knowing is none by smoothing. An attack that learns its inversion is put beside them. What the
    file has of these already stays as it is, `[tuning]` among it. So for each of its `[[vary]]`.
    """
    parse_campaign(tree)  # so that mistakes are told by their place in the file, which has fewer rows and attacks
    grid = {} if "tuning" in tree else GRID
    if "vary" not in tree:
        return _tuned({**tree, **_completed(tree, seeds, grid)})
    base = {key: value for key, value in tree.items() if key != "vary"}
    changes = combinations_of(tree["vary"])
    entries = [
        {"name": name, **change, **_completed(merged(base, change), seeds, grid)} for name, change in changes.items()
    ]
    return _tuned({**tree, "vary": entries})


def _tuned(tree: Table) -> Table:
    """With seeds for tuning beyond all others, where the file has none and there is something to tune."""
    if "tuning" in tree:
        return {**tree, "tuning": {"only_chosen": True, **tree["tuning"]}}
    parts = tree.get("vary", [tree])
    if not any(variants_of(point.experiment) for point in parse_campaign(tree).points):
        return tree
    last = max(seed for part in parts for seed in _listed(part["seed"]))
    return {**tree, "tuning": {"seeds": list(range(last + 1, last + 1 + TUNING_SEEDS)), "only_chosen": True}}


def _listed(value: Any) -> list[int]:
    return value if isinstance(value, list) else [value]


def _completed(tree: Table, seeds: int, grid: Table) -> Table:
    if not tree.get("attacks"):
        raise ConfigError("attacks: a comparison needs at least one attack; add [[attacks]] with use = NAME")
    return {
        "seed": _seeds(tree.get("seed", 0), seeds),
        "attacks": _both_forms(tree["attacks"], _chains(tree.get("defenses", [])), grid),
        "defenses": _with_none(tree.get("defenses", [])),
    }


def _seeds(written: Any, seeds: int) -> Any:
    """As many seeds, from the one in the file on; a list of seeds is somebody's choice."""
    one = isinstance(written, int) and not isinstance(written, bool)
    return list(range(written, written + seeds)) if one and seeds > 1 else written


def _with_none(rows: list[Any]) -> list[Any]:
    bare = any(not row.get("chain") for row in rows)
    found = rows if bare else [{"name": BARE}, *rows]
    if len(found) < FEWEST:
        raise ConfigError("defenses: a comparison needs at least one defense; add [[defenses]] with name and chain")
    return found


def _both_forms(tables: list[Any], chains: list[Chain], grid: Table) -> list[Any]:
    """Each attack that adapts to a chain, its variants, a control of each without one; last the one that learns.

    It learns to invert updates, so it is left out where models alone are attacked.
    """
    both: list[Any] = []
    controls = [table.get("attack") for table in tables if table["use"] == PLAIN]
    for table in tables:
        if not _adapts(table, chains):
            both.append(table)
            continue
        variants = {"": table, **_variants(table, grid)}
        both += [{**one, **_label(table, words)} if words else one for words, one in variants.items()]
        plain = {words: unlabeled(one) for words, one in variants.items() if unlabeled(one) not in controls}
        both += [{"use": PLAIN, "attack": one, **_label(table, f" {PLAIN}{words}")} for words, one in plain.items()]
    each = _apart("attacks", tables)
    if all(table["use"] != LEARNED for table in each) and not all(sees_model(unlabeled(table)) for table in each):
        both.append({"use": LEARNED})
    return both


def _variants(table: Any, grid: Table) -> dict[str, Any]:
    """The attack with other values for one option at a time, of those that it has and that the file leaves open."""
    if any(isinstance(value, list) for value in table.values()):
        return {}  # the file has a grid of its own
    known = {field.name for field in fields(attacks.get(table["use"]))}  # type: ignore[arg-type]  # a dataclass
    return {
        f" {option}={value}": {**table, option: value}
        for option, values in grid.items()
        for value in values
        if option in known and option not in table
    }


def _label(table: Any, words: str) -> Table:
    """The attack's name with more words; none where the file names several attacks in one place."""
    named = table.get("label", table["use"])
    return {"label": f"{named}{words}"} if isinstance(named, str) else {}


def _chains(rows: list[Any]) -> list[Chain]:
    """The chains of the defenses, those of each variant."""
    return [Chain.build(tuple(row.get("chain", ()))) for row in _apart("defenses", rows)]


def _adapts(table: Table, chains: list[Chain]) -> bool:
    """Whether an attack, or a variant of it, does otherwise where it knows of one of the chains."""
    built = [attacks.from_table(unlabeled(one)) for one in _apart("attacks", [table])]
    return any(one.name != LEARNED and one.adapts_to(chain) for one in built for chain in chains)


def _apart(kind: str, tables: list[Any]) -> list[Any]:
    """The tables of attacks or defenses, each variant by itself."""
    found: list[Any] = with_variants({kind: tables}, axes_of({kind: tables}))[kind]
    return found

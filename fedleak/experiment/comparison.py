"""Comparison of defenses: an experiment with every attacker that it needs."""

from typing import Any

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.errors import ConfigError
from fedleak.experiment.axes import axes_of, with_variants
from fedleak.experiment.experiment import unlabeled
from fedleak.experiment.grid import combinations_of, merged, parse_campaign
from fedleak.settings import Table

PLAIN = "plain"
LEARNED = "lti"
"""The second adaptive attacker of every defense: it learns to invert what the clients' pipeline sends."""
BARE = "none"
FEWEST = 2


def compared(tree: Table, seeds: int) -> Table:
    """The parsed experiment file with `seeds` seeds, an undefended row, and each attack that adapts in two forms.

    One knows the defenses and one, its control called "NAME plain", takes no notice of them; an attack that learns its
    inversion is put beside them. What the file has of these already stays as it is. So for each of its `[[vary]]`.
    """
    parse_campaign(tree)  # so that mistakes are told by their place in the file, which has fewer rows and attacks
    if "vary" not in tree:
        return {**tree, **_completed(tree, seeds)}
    base = {key: value for key, value in tree.items() if key != "vary"}
    changes = combinations_of(tree["vary"])
    entries = [{"name": name, **change, **_completed(merged(base, change), seeds)} for name, change in changes.items()]
    return {**tree, "vary": entries}


def _completed(tree: Table, seeds: int) -> Table:
    if not tree.get("attacks"):
        raise ConfigError("attacks: a comparison needs at least one attack; add [[attacks]] with use = NAME")
    return {
        "seed": _seeds(tree.get("seed", 0), seeds),
        "attacks": _both_forms(tree["attacks"], _chains(tree.get("defenses", []))),
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


def _both_forms(tables: list[Any], chains: list[Chain]) -> list[Any]:
    """Each attack that adapts to a chain, followed by its control where it has none yet; then the one that learns."""
    both: list[Any] = []
    controls = [table.get("attack") for table in tables if table["use"] == PLAIN]
    for table in tables:
        both.append(table)
        if _adapts(table, chains) and unlabeled(table) not in controls:
            named = table.get("label", table["use"])
            label = {"label": f"{named} {PLAIN}"} if isinstance(named, str) else {}
            both.append({"use": PLAIN, "attack": unlabeled(table), **label})
    if all(table["use"] != LEARNED for table in _apart("attacks", tables)):
        both.append({"use": LEARNED})
    return both


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

"""Labels of attacks: the names that their rows carry."""

from collections.abc import Iterator
from itertools import count

from fedleak.experiment.canonical import attack_tables
from fedleak.experiment.experiment import Experiment
from fedleak.settings import Table


def labels_of(tables: tuple[Table, ...]) -> list[str]:
    """Names for the rows: the attack's label or own name, and `name-2`, `name-3`, ... where it comes again.

    A number that would give the name of another attack is left out.
    """
    names = [str(table.get("label", table["use"])) for table in tables]
    given = set(names)
    numbered: dict[str, Iterator[str]] = {}
    return [next(numbered[name]) if name in numbered else _first(name, numbered, given) for name in names]


def _first(name: str, numbered: dict[str, Iterator[str]], given: set[str]) -> str:
    """A name where it comes first; whoever comes later takes one from `numbered`."""
    others = (f"{name}-{number}" for number in count(2))
    numbered[name] = (other for other in others if other not in given)
    return name


def labeled_attacks(experiment: Experiment) -> dict[str, Table]:
    """The attacks of an experiment by label, every option written out."""
    return dict(zip(labels_of(experiment.attacks), attack_tables(experiment), strict=True))

"""Controls: each attacker who knows the defenses beside the same one who does not, and what knowing was worth."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace

from fedleak.experiment.campaign import Campaign, distinct
from fedleak.experiment.comparison import PLAIN
from fedleak.experiment.naming import algorithm_of, labeled_attacks
from fedleak.results.row import Row
from fedleak.settings.base import Table
from fedleak.statistics.group import Group, Variant, group_rows
from fedleak.statistics.paired_tests import Comparison, compare_attacks


def gains_of(campaign: Campaign, rows: Sequence[Row], tuned: Set[Variant]) -> dict[Group, Comparison]:
    """What knowing the defenses was worth, for each attack that has a control on the same messages.

    The control of an attack is its plain form with the same options; where tuning seeds chose among those (`tuned`),
    each with the options that they chose for it, for an attacker in ignorance tunes too.
    """
    groups = group_rows(row for row in rows if row.split == "test")
    pairs = dict(_pairs(campaign, groups, tuned))
    both = [row for own in pairs for row in groups[own]]
    # Which control it is differs from defense to defense, so within the test it has the name of its counterpart.
    both += [replace(row, attack=_control(own)) for own, control in pairs.items() for row in groups[control]]
    names = {own.attack: _control(own) for own in pairs}
    return {one.group: replace(one, reference=pairs[one.group]) for one in compare_attacks(both, names)}


def _pairs(
    campaign: Campaign, groups: Mapping[Group, Sequence[Row]], tuned: Set[Variant]
) -> Iterator[tuple[Group, Group]]:
    """Each attack's figure with its control's."""
    tables = {label: table for experiment in distinct(campaign) for label, table in labeled_attacks(experiment).items()}
    for control in groups:
        plain = tables[control.attack]
        if plain["use"] != PLAIN:
            continue
        for own in groups:
            if _same_place(own, control) and _counterparts(own, control, tables[own.attack], plain["attack"], tuned):
                yield own, control


def _same_place(one: Group, other: Group) -> bool:
    return replace(one, attack="", algorithm="") == replace(other, attack="", algorithm="")


def _counterparts(own: Group, control: Group, table: Table, unaware: Table, tuned: Set[Variant]) -> bool:
    if control.variant in tuned:
        return own.variant in tuned and own.algorithm == algorithm_of(unaware)
    return table == unaware and own.variant not in tuned


def _control(own: Group) -> str:
    return f"{own.attack} {PLAIN}"

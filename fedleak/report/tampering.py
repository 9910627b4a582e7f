"""Tampering in the report: what was done and by whom, and how good the model became beside one of clean code."""

import math
from collections.abc import Iterable, Iterator, Sequence

from fedleak.analysis.conditions import condition_of_row
from fedleak.analysis.operating_point import accuracy_of
from fedleak.contracts.tampered import built
from fedleak.contracts.tampering import WHO, Tampering
from fedleak.experiment.experiment import Experiment
from fedleak.formatting import counted, listed, opening
from fedleak.results.federation_row import FederationRow


def tampering_facts(experiments: Iterable[Experiment]) -> Iterator[tuple[str, str]]:
    """For each tampering who does it, as a term, and what."""
    found: dict[tuple[str, str], list[Tampering]] = {}
    for experiment in experiments:
        for one in built(experiment.adversary.does):
            own = found.setdefault((WHO[one.by], one.name), [])
            own.extend([one] if one not in own else [])
    for (who, name), variants in found.items():
        beside = "Beside each such federation one of clean code was run, on the same seed."
        yield who, f"{opening(variants[0].deed)} ({name}{_options(variants)}). {beside}"


def beside_clean(federations: Iterable[FederationRow]) -> Iterator[str]:
    """For each setting and defense with tampering how good the model became, and how good one of clean code."""
    found: dict[tuple[str, str], list[FederationRow]] = {}
    for row in federations:
        if row.split == "test" and not math.isnan(row.clean_accuracy):
            found.setdefault((condition_of_row(row).words, row.defense), []).append(row)
    alike: dict[tuple[str, str], list[str]] = {}
    for (where, defense), rows in found.items():
        seeds = counted(len({row.seed for row in rows}), "seed")
        clean = f"one of clean code about {_last_clean(rows):.1%} ({seeds})"
        said = f"{accuracy_of(rows).mean:.1%} of the test set, and {clean}"
        alike.setdefault((where, said), []).append(f"“{defense}”")
    for (where, said), names in alike.items():
        yield f"Under {listed(names)} ({where}) the tampered model is right about {said}."


def _last_clean(rows: Sequence[FederationRow]) -> float:
    """The mean over seeds after their last round."""
    last = {row.seed: row.clean_accuracy for row in sorted(rows, key=lambda one: one.round)}
    return math.fsum(last.values()) / len(last)


def _options(variants: Sequence[Tampering]) -> str:
    """Every option with all the values that it had."""
    names = list(dict.fromkeys(key for one in variants for key in one.options()))
    values = {key: dict.fromkeys(str(one.options().get(key, "unset")) for one in variants) for key in names}
    return "".join(f", {key} {listed(values[key], 'or')}" for key in names)

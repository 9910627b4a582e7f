"""Fitting: the attacks of the catalogue that need nothing but what the server of an audited app has."""

from collections import Counter
from functools import cache

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.catalogue import FAMILIES, Entry, entries
from fedleak.contracts.observation import Observation
from fedleak.contracts.view import View
from fedleak.formatting import counted, listed

QUICK = ("analytic-linear", "dlg", "inverting-gradients", "fedavg-inversion", "auto-labels")
"""One of each family: what `--quick` tries, and what is tried first."""
EXAMPLES = {"inputs", "labels"}


@cache
def fitting() -> tuple[str, ...]:
    """Names of the attacks that guess examples from one update and ask for nothing beside it, `QUICK` first.

    Each says so itself: what it looks at, requires, reads and targets. What it needs of a network or of public data it
    says where it is run.
    """
    fit = [one.name for one in entries("attack") if not _lacks(one)]
    return tuple(sorted(fit, key=lambda name: (QUICK.index(name) if name in QUICK else len(QUICK), name)))


@cache
def unfitting() -> str:
    """Why all others do not fit, in one sentence."""
    found = Counter(why for one in entries("attack") if (why := _lacks(one)))
    words = [f"{number} {why}" for why, number in found.most_common()]
    return f"Not tried, {counted(sum(found.values()), 'attack')} of the catalogue: {listed(words)}."


def guesses_images(name: str) -> bool:
    """Whether an attack guesses images, and not labels alone."""
    return "inputs" in attacks.build(name, {}).targets


def _lacks(entry: Entry) -> str:
    """What the server of an audited app does not have or ask, that an attack is made for; empty where it fits."""
    if entry.needed:
        return "are wrappers of others"
    attack: Attack[View] = attacks.build(entry.name, {})
    if entry.family == FAMILIES["baselines"]:
        return "guess without the update"
    if attack.sees is not Observation:
        return "look at a released model, a prediction API or a cut network"
    if attack.reads:
        return "read what a server that cheats has planted"
    if not attack.targets <= EXAMPLES:
        return "guess no examples"
    return "need other messages beside the one" if attack.requires else ""

"""The catalogue says of every plug-in exactly what the class says that the registry imports."""

import subprocess
import sys
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from fedleak.contracts import catalogue
from fedleak.contracts.catalogue import FAMILIES, OUTSIDE, PACKAGES, entries, names_of
from fedleak.contracts.defense import Defense
from fedleak.contracts.metric import Metric
from fedleak.contracts.outside import REGISTRIES, described


def own(kind):
    """The plug-ins of the registry but for those that tests made up."""
    return [cls for cls in REGISTRIES[kind] if cls.__module__.startswith(PACKAGES[kind])]


@pytest.mark.parametrize("kind", REGISTRIES)
def test_what_is_read_is_what_is_imported(kind):
    read = {entry.name: replace(entry, family=OUTSIDE) for entry in catalogue._own(kind)}
    assert read == {cls.name: described(cls) for cls in own(kind)}


def test_attacks_have_the_family_of_their_folder_but_for_those_made_for_several_steps():
    for cls in own("attack"):
        family = next(entry.family for entry in entries("attack") if entry.name == cls.name)
        follows = getattr(cls, "follows_steps", False)
        assert family == FAMILIES["several_local_steps" if follows else cls.__module__.split(".")[2]]


def test_every_family_has_an_attack():
    assert {entry.family for entry in catalogue._own("attack")} == set(FAMILIES.values())


def test_a_defense_acts_where_it_overrides_something():
    class Both(Defense):
        def examples(self, task, examples, rng):
            return examples

        def protect(self, update, rng):
            return update

    assert Both.acts_on == {"examples", "update"}
    assert Defense.acts_on == frozenset()


def test_names_come_kind_by_kind():
    assert {"dlg", "clipping", "psnr"} <= set(names_of("attack", "defense", "metric"))
    assert "dlg" not in names_of("defense")


def test_a_plug_in_from_outside_is_imported_and_listed(monkeypatch):
    @dataclass(frozen=True, kw_only=True)
    class Outsider(Metric):
        """Measures nothing,
        at length.

        Not said.
        """

        name: ClassVar = "outsider"
        bibtex: ClassVar = "@misc{none}\n"
        needed: int
        given: float = 0.5

    monkeypatch.setattr(catalogue, "entry_points", lambda group: ["one"])
    monkeypatch.setitem(REGISTRIES, "metric", [Outsider])
    entries.cache_clear()
    try:
        found = next(entry for entry in entries("metric") if entry.name == "outsider")
        assert "psnr" in names_of("metric")
    finally:
        entries.cache_clear()
    assert (found.family, found.summary, found.bibtex) == (OUTSIDE, "Measures nothing, at length.", "@misc{none}")
    assert (found.needed, found.options) == (("needed",), {"given": 0.5})


@pytest.mark.slow
def test_it_imports_neither_plug_ins_nor_torch():
    code = (
        "import sys; from fedleak.contracts.catalogue import names_of; names_of('attack', 'defense', 'metric'); "
        "sys.exit(bool({'torch', 'flwr', 'pydantic', 'fedleak.attacks', 'fedleak.defenses'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0

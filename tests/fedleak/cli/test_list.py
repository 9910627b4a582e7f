"""`fedleak list` for people and for scripts."""

import json

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.cli.list import BY_WEIGHT, PLACES
from fedleak.contracts.catalogue import FAMILIES, entries
from fedleak.contracts.defense import PLACES as MEMBERS
from fedleak.contracts.source import CATALOGUE, sources
from fedleak.tasks import parse_name

FIELDS = {
    "attacks": ["name", "family", "summary", "options", "needed", "paper"],
    "defenses": ["name", "acts_on", "summary", "options", "needed", "paper"],
    "metrics": ["name", "summary", "options", "needed", "paper"],
    "tamperings": ["name", "summary", "options", "needed", "paper"],
    "tasks": ["name", "source", "model", "classes", "summary"],
}
"""What scripts may rely on: the fields of `fedleak list KIND --format json`."""


def listed(kind, *words):
    said = CliRunner().invoke(app, ["list", kind, *words], env={"COLUMNS": "80"})
    assert said.exit_code == 0, said.output
    return said.stdout


@pytest.mark.parametrize("kind", FIELDS)
def test_json_has_these_fields_for_each(kind):
    facts = json.loads(listed(kind, "--format", "json"))
    assert all(list(one) == FIELDS[kind] for one in facts)
    assert len({one["name"] for one in facts}) == len(facts)


@pytest.mark.parametrize("kind", FIELDS)
def test_the_table_fits_eighty_columns_and_names_all(kind):
    table = listed(kind)
    assert max(map(cell_len, table.splitlines())) <= 80
    words = {line.split()[0] for line in table.splitlines() if line.strip()}
    assert {one["name"] for one in json.loads(listed(kind, "-f", "json"))} <= words


def test_attacks_stand_under_their_families():
    lines = [line.strip() for line in listed("attacks").splitlines()]
    places = [lines.index(family) for family in FAMILIES.values()]
    assert places == sorted(places)
    several = lines.index("several local steps")
    starts = [line.split("  ")[0] for line in lines[several : lines.index("analytic")]]
    assert {"fedavg-inversion", "several-rounds", "surrogate-model"} <= set(starts)


def test_every_place_where_a_defense_acts_has_a_heading_or_goes_with_another():
    assert set(PLACES) == set(BY_WEIGHT)
    assert set(MEMBERS.values()) - set(PLACES) == {"requirements", "state"}
    assert all(set(entry.acts_on) & set(PLACES) for entry in entries("defense"))


def test_every_defense_and_attack_is_listed_once():
    for kind in ("attacks", "defenses"):
        facts = json.loads(listed(kind, "--format", "json"))
        assert sorted(one["name"] for one in facts) == [entry.name for entry in entries(kind.removesuffix("s"))]


def test_tasks_have_the_source_and_the_network_that_their_names_stand_for():
    facts = {one["name"]: one for one in json.loads(listed("tasks", "--format", "json"))}
    for name in CATALOGUE:
        source, model = parse_name(name)
        assert (facts[name]["source"], facts[name]["model"]) == (source.name, model)
    assert set(sources) <= {one["source"] for one in facts.values()}

"""What an audit by canaries shows becomes a figure that rules can be about."""

import math
from dataclasses import fields

import pytest

from fedleak.errors import ConfigError
from fedleak.gate.measured_epsilons import NOT_AUDITED, measure_audits
from fedleak.gate.parser import parse_rule
from fedleak.results.dp_row import DPRow
from fedleak.results.federation_row import FederationRow

SETTING = {"federation.rounds": 2}


def federation(seed):
    facts = {"task": "digits-mlp", "setting": SETTING, "federation": "", "split": "test", "defense": "noised"}
    facts |= {"round": 1, "messages": 4, "failures": 0, "accuracy": 0.5, "loss": 1.5, "seconds": 0.1}
    return FederationRow(**facts, seed=seed)


def audit(**changes):
    texts = {"task": "digits-mlp", "defense": "noised", "view": "message", "terms": "", "declared_of": "round"}
    texts |= {"verdict": "holds", "cause": "", "sentence": "as it was found", "setting": SETTING}
    whole = {"rounds": 2, "canaries": 10, "releases": 20, "seed": 0}
    figures = {one.name: 1.5 for one in fields(DPRow)} | {"least": 3.2, "delta": 1e-5}
    return DPRow(**{**figures, **texts, **whole, **changes})


def measured(*audits):
    (found,) = measure_audits([federation(0), federation(1)], audits)
    return found


def test_the_figure_is_what_canaries_show_at_least():
    found = measured(audit())
    assert (found.value, found.seeds, found.problem) == (3.2, 2, "")
    assert found.unit == "of one release at delta 1e-05, at least"


@pytest.mark.parametrize("verdict", ["broken", "no claim"])
def test_what_is_broken_or_claims_nothing_is_a_problem_whatever_the_figure(verdict):
    assert measured(audit(verdict=verdict)).problem == "as it was found"


@pytest.mark.parametrize("other", [{}, {"defense": "another"}, {"setting": {}}])
def test_what_nobody_audited_is_a_problem(other):
    found = measured(*([audit(**other)] if other else []))
    assert (found.value, found.problem) == (math.inf, NOT_AUDITED)


@pytest.mark.parametrize("rule", ["epsilon.measured <= epsilon.declared", "epsilon.measured < epsilon.accounted * 1.1"])
def test_rules_can_name_it_and_the_claims_that_it_is_held_to(rule):
    parsed = parse_rule(rule)
    assert str(parsed) == rule
    assert parsed.bound.value(measured(audit(declared=4.0, accounted=4.0)).baselines) >= 4.0
    assert math.isnan(parsed.bound.value(measured().baselines))


@pytest.mark.parametrize(
    "rule", ["psnr.mean < epsilon.declared", "epsilon < epsilon.accounted", "epsilon.measured < prior"]
)
def test_other_comparisons_are_refused(rule):
    with pytest.raises(ConfigError, match="expected a number"):
        parse_rule(rule)

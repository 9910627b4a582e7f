"""The audit of whole chains: what holds, what is broken by which mistake, and what canaries have no place in."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

import dp_bugs

from fedleak.contracts.chain import Chain
from fedleak.defenses.dp_sgd import DPSGD
from fedleak.dp_audit.audit import audit_chain, audited, points_of
from fedleak.dp_audit.options import AuditOptions
from fedleak.errors import ConfigError
from fedleak.experiment.grid import parse_campaign

CLIENTS = 40
LOCAL = {"use": "local-dp", "epsilon": 4.0, "delta": 1e-5, "max_norm": 1.0}
QUICK = AuditOptions(rounds=6)


def campaign(*chain, **federation):
    table = {"clients": CLIENTS, "rounds": 2, **federation}
    rows = [{"name": "chain", "chain": list(chain)}]
    return parse_campaign(
        {"name": "audit", "task": "diabetes-mlp", "attacks": [], "federation": table, "defenses": rows}
    )


def audit(*chain, options=QUICK, **federation):
    return audit_chain(campaign(*chain, **federation).first, "chain", Chain.build(chain), options)


BY_LENGTHS, BY_NOISE = "replace-one forgotten", "same noise for every client"


@pytest.mark.slow
@pytest.mark.parametrize("cause", [BY_LENGTHS, BY_NOISE, "unequal weights"])  # the benchmark has all ten
def test_a_mistake_is_found_and_named(cause):
    federation = replace(dp_bugs.bugs(CLIENTS)[cause], task="diabetes-mlp")
    found = federation.audited(CLIENTS, AuditOptions(error=0.3))
    assert (found.verdict, found.cause) == ("broken", cause), found.sentence


@pytest.mark.slow
@pytest.mark.parametrize("name", ["central-dp, models", "dp-sgd", "shared noise, sum"])
def test_a_sound_federation_is_not_called_broken(name):
    federation = replace(dp_bugs.sound(CLIENTS)[name], task="diabetes-mlp")
    found = federation.audited(CLIENTS, AuditOptions(error=0.3))
    assert found.verdict in ("holds", "open"), found.sentence
    assert found.least <= 1.01 * found.accounted  # of all tests together, at 99%


@dataclass(frozen=True, kw_only=True)
class HalfOfTheNoise(DPSGD):
    """Noise for a half of what is claimed."""

    name: ClassVar[str] = "half-of-the-noise"

    def mechanism(self, situation):
        return replace(super().mechanism(situation), noise=2 * self.std)


def test_steps_with_less_noise_than_is_claimed_are_broken():
    chain = Chain((HalfOfTheNoise(noise_multiplier=1.0),))
    found = audit_chain(campaign(LOCAL).first, "chain", chain, AuditOptions(rounds=20)).row
    assert (found.verdict, found.cause) == ("broken", "too little noise"), found.sentence
    assert found.accounted < found.least < found.measured


def test_declared_accounted_and_measured_stand_side_by_side():
    row = audit(LOCAL).row
    assert (row.declared, row.declared_of, row.terms) == (4.0, "round", "replace-one client, no sampling credit")
    assert row.accounted == pytest.approx(4.0)
    assert row.ideal == pytest.approx(4.0)
    assert row.bound < row.low < row.measured < row.high
    assert row.low < 4.0 < row.high
    assert row.bound < row.by_guesses < row.high
    assert row.bound < row.by_errors < row.high
    assert 0 < row.one_shot < row.measured
    assert row.accounted_run > row.accounted
    assert row.measured_run > row.measured
    assert (row.canaries, row.releases, row.seed) == (CLIENTS, 6 * CLIENTS, 0)


def test_canaries_of_either_sign_are_not_held_against_who_may_be_left_out():
    found = audit({"use": "dp-sgd", "noise_multiplier": 1.0, "sampling": "poisson", "share": 5}).row
    assert (found.verdict, found.cause) == ("no claim", "")
    assert "claims add-or-remove example, Poisson samples at rate 0.2" in found.sentence


def test_the_same_seed_gives_the_same_and_another_does_not():
    steps = {"use": "dp-sgd", "noise_multiplier": 1.0}
    scores = [audit(steps, options=AuditOptions(rounds=1, seed=seed)).measured.scores for seed in (0, 0, 1)]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_what_claims_nothing_has_no_figures():
    found = audit({"use": "clipping", "max_norm": 1.0})
    assert (found.row.verdict, found.measured) == ("no claim", None)
    assert np.isnan(found.row.measured)
    assert "nothing is claimed" in found.row.sentence


def test_more_canaries_than_clients_is_one_sentence():
    (point,) = points_of(campaign(LOCAL))
    with pytest.raises(ConfigError, match=r"at most as many canaries as clients, federation.clients = 40, got 41"):
        list(audited(point.experiment, AuditOptions(canaries=41)))


def test_points_that_differ_in_seeds_alone_are_audited_once():
    tree = {
        "name": "audit", "task": "diabetes-mlp", "attacks": [], "seed": [0, 1],
        "federation": {"clients": 4, "rounds": [1, 2]}, "defenses": [{"name": "chain", "chain": [LOCAL]}],
    }  # fmt: skip
    one, two = points_of(parse_campaign(tree))
    assert (one.experiment.federation.rounds, two.experiment.federation.rounds) == (1, 2)
    row = audit({"use": "clipping", "max_norm": 1.0}).row
    assert [copy.setting for copy in one.rows(row)] == [{"federation.rounds": 1}]

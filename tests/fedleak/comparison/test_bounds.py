"""A result that beats what its defense proves is a bug of the run."""

import pytest

from fedleak.accounting.guarantee import Guarantee, Unproven
from fedleak.analysis.bounds import bounds_of, guarantees_of, whole_guarantees_of
from fedleak.analysis.evidence import Condition
from fedleak.defenses.local_dp import LocalDP
from fedleak.errors import BoundError
from fedleak.experiment.grid import parse_campaign
from fedleak.run import run

PRIVATE = {"use": "local-dp", "epsilon": 0.1, "delta": 1e-5, "max_norm": 1.0}
TREE = {
    "name": "tiny",
    "task": "digits-mlp",
    "metrics": ["psnr"],
    "federation": {"clients": 2},
    "attacks": [{"use": "analytic-linear"}, {"use": "prior"}],
    "defenses": [
        {"name": "none"},
        {"name": "private", "chain": [PRIVATE]},
        {"name": "sparse", "chain": [{"use": "top-k", "fraction": 0.1}]},
    ],
}


@pytest.fixture
def rows(make_row):
    """Forty messages under each defense, all of which were rebuilt at so many dB."""

    def made(decibels, **changed):
        where = [{"defense": name, "seed": seed} for name in ("none", "private", "sparse") for seed in range(40)]
        return [
            make_row(decibels, algorithm="analytic-linear", attack="analytic-linear", **one, **changed) for one in where
        ]

    return made


def test_only_chains_that_prove_something_have_a_guarantee():
    found = guarantees_of(parse_campaign(TREE))
    place = Condition(task="digits-mlp")
    assert set(found) == {(place, "private"), (place, "sparse")}
    assert isinstance(found[place, "private"], Guarantee)
    assert isinstance(found[place, "sparse"], Unproven)


def test_the_whole_run_costs_more_than_its_recorded_rounds_and_the_bound_is_about_those(rows):
    longer = parse_campaign({**TREE, "utility": {"rounds": 3}})
    place = Condition(task="digits-mlp"), "private"
    recorded, whole = guarantees_of(longer)[place], whole_guarantees_of(longer)[place]
    assert recorded == guarantees_of(parse_campaign(TREE))[place] == whole_guarantees_of(parse_campaign(TREE))[place]
    assert whole.mu == pytest.approx(2 * recorded.mu)
    assert whole.epsilon(1e-5) > recorded.epsilon(1e-5) == pytest.approx(0.1, rel=1e-6)
    [bound] = bounds_of(rows(9.0), longer)
    assert bound.check.guarantee == recorded.over(1)


def test_rounds_without_defenses_before_the_recorded_ones_void_the_whole_run(rows):
    found = whole_guarantees_of(parse_campaign({**TREE, "model": {"trained_rounds": 1}}))
    assert "without the defenses" in found[Condition(task="digits-mlp"), "private"].reason


def test_success_that_noise_rules_out_is_a_bug(rows):
    [bound] = bounds_of(rows(60.0), parse_campaign(TREE))
    assert bound.group.defense == "private"
    assert bound.check.measured == 1.0
    with pytest.raises(BoundError, match="beats a proven bound"):
        bound.check.require()


def test_failure_and_blind_guesses_are_none(rows):
    [bound] = bounds_of(rows(9.0), parse_campaign(TREE))
    bound.check.require()
    blind = [row for row in rows(60.0) if row.defense == "private"]
    assert not bounds_of([type(row)(**{**vars(row), "algorithm": "prior"}) for row in blind], parse_campaign(TREE))


def test_what_chance_may_explain_is_none(rows):
    few = [row for row in rows(60.0) if row.seed < 1]
    [bound] = bounds_of(few, parse_campaign(TREE))
    bound.check.require()


def test_a_run_that_beats_a_bound_fails_and_says_why(tmp_path, monkeypatch):
    """As if the noise had been forgotten."""
    tree = {**TREE, "seed": list(range(12)), "attacks": [{"use": "analytic-linear"}], "defenses": TREE["defenses"][:2]}
    tree["federation"] = {"clients": 1, "batch_size": 1}
    honest = run(parse_campaign(tree), tmp_path / "honest")
    assert honest.exit_status == 0, honest.problems
    monkeypatch.setattr(LocalDP, "protect", lambda self, update, rng: update)
    broken = run(parse_campaign(tree), tmp_path / "broken")
    assert broken.exit_status == 1
    assert any(
        "analytic-linear under private, psnr" in one and "beats a proven bound" in one for one in broken.problems
    )

"""Rounds for utility in a campaign: more rows of federations, and not one attack more or other."""

import json
import math

import pytest

from fedleak.analysis.analysis import Analysis
from fedleak.campaign import federation_job
from fedleak.campaign.plan import federation_address, whole_address
from fedleak.errors import RecordingError
from fedleak.experiment.grid import parse_campaign
from fedleak.results.federation_row import FederationRow
from fedleak.run import run
from fedleak.runs.query import open_run
from fedleak.runs.reading import read_run

pytestmark = pytest.mark.slow

TREE = {
    "name": "utility",
    "task": "digits-mlp",
    "metrics": ["psnr"],
    "federation": {"clients": 2},
    "adversary": {"auxiliary": 32},
    "attacks": [{"use": "analytic-linear"}],
    "defenses": [{"name": "none"}, {"name": "few", "chain": [{"use": "top-k", "fraction": 0.01}]}],
}
UTILITY = {"rounds": 3, "batch_size": 16, "batches": "all", "momentum": 0.9}


def campaign(**changes):
    return parse_campaign({**TREE, **changes})


def figures(outcome):
    rows = [json.loads(line) for line in outcome.folder.results.read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return run(campaign(utility=UTILITY), tmp_path_factory.mktemp("runs") / "trained")


def test_the_results_are_those_without_them(trained, tmp_path):
    assert figures(run(campaign(), tmp_path / "run")) == figures(trained)


def test_recordings_and_cells_have_the_address_that_they_had_and_the_federation_another():
    plain, more = (campaign(utility=utility).points[0].experiment for utility in ({}, UTILITY))
    for row in plain.defenses:
        assert federation_address(plain, row) == federation_address(more, row)
        assert whole_address(plain, row) != whole_address(more, row)


def test_a_finished_federation_is_not_run_again(trained, monkeypatch):
    monkeypatch.setattr(federation_job, "run_federation", lambda *_: pytest.fail("a finished federation was run again"))
    before = read_run(trained.folder.root).federations
    run(campaign(utility=UTILITY), trained.folder.root)
    assert read_run(trained.folder.root).federations == before


def test_every_round_has_a_row_with_accuracy_and_the_recorded_ones_have_costs(trained):
    rows = read_run(trained.folder.root).federations
    assert [(row.defense, row.round, row.recorded, row.messages) for row in rows] == [
        (defense, round, round == 1, 2 if round == 1 else 0) for defense in ("none", "few") for round in (1, 2, 3, 4)
    ]
    assert all(0 <= row.accuracy <= 1 and row.loss > 0 and 0 < row.trivial < 0.2 for row in rows)
    assert [row.round for row in rows if row.client_seconds > 0] == [1, 1]
    none, *_, last = (row for row in rows if row.defense == "none")
    few, *_ = (row for row in rows if row.defense == "few")
    assert last.accuracy > 0.7
    assert few.bytes_encoded < 0.03 * none.bytes_encoded
    assert few.bytes_sent == none.bytes_sent


def test_a_model_that_breaks_down_in_them_is_a_problem_and_costs_no_figure(tmp_path):
    outcome = run(campaign(utility={**UTILITY, "learning_rate": 1e30}), tmp_path / "run")
    assert outcome.exit_status == 2
    assert any("round 2" in problem for problem in outcome.problems)
    assert figures(outcome) == figures(run(campaign(), tmp_path / "plain"))
    back = read_run(tmp_path / "run")
    assert [math.isnan(row.accuracy) for row in back.federations if row.defense == "none"] == [False, True, True, True]
    assert [one.broken for one in Analysis.of(back).defenses("psnr")] == [1, 1]


def test_other_seeds_than_those_named_end_with_the_recorded_rounds(tmp_path):
    outcome = run(campaign(seed=[1, 2], utility={**UTILITY, "seeds": [2]}), tmp_path / "run")
    back = read_run(tmp_path / "run")
    assert {(row.seed, row.round) for row in back.federations} == {(1, 1), (2, 1), (2, 2), (2, 3), (2, 4)}
    assert all(math.isnan(row.accuracy) == (row.seed == 1) for row in back.federations)
    assert (outcome.exit_status, back.unfinished) == (0, 0)
    assert [one.broken for one in Analysis.of(back).defenses("psnr")] == [0, 0]


def test_an_attacker_who_was_starved_tests_no_defense(tmp_path):
    learned = [{"use": "lti", "shadows": 4, "epochs": 2}]
    starved = run(campaign(attacks=learned), tmp_path / "starved").analysis
    assert starved.unaware == ("few",)
    assert not starved.evidence.adapted
    assert [one.tested for one in starved.defenses("psnr")] == [True, False]
    masked = [{"name": "sum", "chain": [{"use": "secure-aggregation"}]}]
    (summed,) = run(campaign(attacks=learned, defenses=masked), tmp_path / "masked").analysis.defenses("psnr")
    assert summed.informed == ()
    informed = [*learned, {"use": "inverting-gradients", "steps": 2}]
    assert run(campaign(attacks=informed), tmp_path / "informed").analysis.evidence.adapted == {"few"}


def test_they_are_an_axis_as_any_other(tmp_path):
    grid = campaign(utility={"rounds": [0, 1]}, defenses=[{"name": "none"}])
    outcome = run(grid, tmp_path / "run")
    assert [len([row for row in read_run(tmp_path / "run").federations if row.setting["utility.rounds"] == rounds])
            for rounds in (0, 1)] == [1, 2]  # fmt: skip
    assert outcome.exit_status == 0


def test_a_query_tells_them_apart(trained):
    sql = "select count(*) from federations where not recorded"
    assert list(open_run(trained.folder.root).ask(sql).rows) == [(6,)]


def test_rows_from_before_there_were_costs_are_read(trained):
    facts = read_run(trained.folder.root).federations[0].facts()
    old = {
        key: value
        for key, value in facts.items()
        if "bytes" not in key and key not in ("recorded", "client_seconds", "client_memory")
    }
    row = FederationRow.from_facts(old)
    assert row.recorded
    assert math.isnan(row.bytes_sent)
    assert row.accuracy == facts["accuracy"]


def test_a_run_that_was_tuned_and_ended_early_is_read_back(tmp_path):
    early = {"rounds": 6, "learning_rate": 1e-9, "patience": 1}
    attacks = [{"use": "inverting-gradients", "steps": [1, 2]}]
    tuned = campaign(utility=early, attacks=attacks, tuning={"seeds": [7], "only_chosen": True})
    run(tuned, tmp_path / "run")
    back = read_run(tmp_path / "run")
    assert {(row.split, row.defense): row.round for row in back.federations} == {
        ("test", "none"): 2, ("test", "few"): 2, ("tuning", "none"): 1, ("tuning", "few"): 1,
    }  # fmt: skip
    assert back.unfinished == 0
    file = tmp_path / "run" / "federations.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(RecordingError, match="rounds have rows"):
        read_run(tmp_path / "run")

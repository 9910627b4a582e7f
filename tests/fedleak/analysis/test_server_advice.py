"""Advice on servers: a defense is recommended where it holds against all of them, or clients refused what they sent."""

import math
from dataclasses import replace
from typing import Any

import pytest

from fedleak.analysis.advice import Limits
from fedleak.analysis.analysis import Analysis
from fedleak.analysis.server_advice import Trial, server_advice
from fedleak.errors import ConfigError
from fedleak.experiment.grid import parse_campaign
from fedleak.results.federation_row import FederationRow

SEEDS = 10
"""Clean ones show a share of at most .31."""
TREE: dict[str, Any] = {
    "name": "servers",
    "task": "digits-mlp",
    "seed": list(range(SEEDS)),
    "federation": {"clients": 2, "rounds": 2, "fraction_evaluate": 1.0},
    "attacks": [{"use": "imprint-readout"}, {"use": "inverting-gradients"}],
    "defenses": [
        {"name": "summed", "chain": [{"use": "secure-aggregation"}]},
        {"name": "watched", "chain": [{"use": "weight-watch"}, {"use": "secure-aggregation"}]},
    ],
    "servers": [{"name": "honest"}, {"name": "imprint", "chain": [{"use": "imprint", "bins": 64}], "begins": 2}],
}
PASSIVE = {"algorithm": "inverting-gradients", "attack": "inverting-gradients"}
LIMITS = Limits(max_leak=40.0, max_share=0.35)


def place(server: str, defense: str = "summed", seed: int = 0, **more: Any) -> dict[str, Any]:
    return {"defense": defense, "server": server, "setting": {"server": server}, "seed": seed, **more}


@pytest.fixture
def analysis(make_row):
    """A run of both defenses against both servers, of which what is named here came of the readout and of others."""

    def made(read=60.0, watched="refused", passive=12.0, accuracy=0.9, tree=TREE, readout="imprint-readout"):
        rows, federations = [], []
        for seed in range(SEEDS):
            for defense in ("summed", "watched"):
                for server, round in (("honest", 1), ("honest", 2), ("imprint", 1), ("imprint", 2)):
                    at = place(server, defense, seed, round=round, client="aggregate")
                    lost = server == "imprint" and defense == "watched" and watched == "refused" and round == 2
                    why = {"reason": "FederationError: the round is lost"} if lost else {}
                    values = [] if lost else [passive]
                    rows.append(
                        make_row(*values, algorithm="inverting-gradients", attack="inverting-gradients", **at, **why)
                    )
                    if (server, round) == ("imprint", 2) and readout:
                        values = [] if lost else [read if defense == "summed" else watched]
                        rows.append(make_row(*values, algorithm=readout, attack=readout, **at, **why))
                        if lost:
                            said = "ModelRefused: client 0 refuses the model"
                            rows.append(
                                make_row(algorithm=readout, attack=readout, **{**at, "client": 0, "reason": said})
                            )
                    federations.append(played(server, defense, seed, round, accuracy, lost=lost))
        return Analysis(campaign=parse_campaign(tree), rows=tuple(rows), federations=tuple(federations))

    return made


def played(server, defense, seed, round, accuracy, *, lost):
    refused = 2 * lost
    return FederationRow(
        task="digits-mlp", split="test", messages=0 if lost else 3, failures=refused, lost=lost, refused=refused,
        alarms=refused, manipulated=server != "honest", accuracy=accuracy, loss=1.0, seconds=1.0, federation="",
        round=round, **place(server, defense, seed),
    )  # fmt: skip


def advised(analysis, limits=LIMITS):
    [found] = server_advice(Trial.of(analysis, "psnr", limits))
    return found


def verdicts(found):
    return {one.defense: [cell.verdict for cell in one.cells] for one in found.standings}


def test_what_leaks_is_broken_and_what_was_refused_is_safe_by_no_training(analysis):
    found = advised(analysis())
    assert found.servers == ("honest", "imprint")
    assert verdicts(found) == {"summed": ["held", "broken"], "watched": ["held", "refused"]}
    [one] = found.recommended
    refused = one.cells[1]
    assert (one.defense, refused.lost, refused.rounds, refused.unsent) == ("watched", SEEDS, SEEDS, 2 * SEEDS)
    assert (refused.exposure, refused.reason) == (None, "client 0 refuses the model")
    broken = found.standings[0].cells[1]
    assert (broken.exposure.count, len(broken.exposure.past), broken.lost) == (SEEDS, SEEDS, 0)
    assert found.standings[0].servers("broken") == ["imprint"]


def test_rounds_before_the_server_began_say_nothing_of_it(analysis):
    """Else half of what it read would be half of what there was."""
    cell = advised(analysis()).standings[0].cells[1]
    assert (cell.exposure.share, cell.rounds) == (1.0, SEEDS)


def test_what_the_readout_did_not_get_is_held_and_both_are_recommended(analysis):
    found = advised(analysis(read=12.0, watched=12.0))
    assert verdicts(found) == {"summed": ["held", "held"], "watched": ["held", "held"]}
    assert [one.defense for one in found.recommended] == ["summed", "watched"]
    assert all(cell.exposure.at_most < 0.35 for one in found.standings for cell in one.cells)


def test_a_server_whose_loot_nobody_read_is_not_shown_to_be_held(analysis):
    found = advised(analysis(readout=None))
    cell = found.standings[0].cells[1]
    assert (cell.verdict, cell.reason) == (
        "not shown",
        "nobody read what the server did; add imprint-readout to the attacks",
    )
    assert [one.defense for one in found.recommended] == ["watched"]


def test_a_readout_that_takes_no_notice_of_a_defense_does_not_show_that_it_holds(analysis):
    coarse = [{"name": name, "chain": [{"use": "qsgd"}]} for name in ("summed", "watched")]
    cell = advised(analysis(read=12.0, tree={**TREE, "defenses": coarse})).standings[0].cells[1]
    assert cell.verdict == "not shown"
    assert cell.reason == "imprint-readout, reading what the server did, took no notice of the defense"
    leaking = advised(analysis(read=60.0, tree={**TREE, "defenses": coarse})).standings[0].cells[1]
    assert leaking.verdict == "broken"


def test_sums_and_single_messages_are_judged_apart_as_they_are_of_the_same_examples(analysis, make_row):
    run = analysis()
    masked = [
        make_row(12.0, client=client, round=2, **PASSIVE, **place("imprint", seed=seed))
        for seed in range(SEEDS)
        for client in (0, 1)
    ]
    cell = advised(replace(run, rows=(*run.rows, *masked))).standings[0].cells[1]
    assert (cell.exposure.share, len(cell.exposure.past)) == (1.0, SEEDS)


def test_the_accuracy_is_that_under_the_honest_server(analysis):
    wanted = replace(LIMITS, min_accuracy=0.6)
    assert [one.defense for one in advised(analysis(), wanted).recommended] == ["watched"]
    poor = advised(analysis(accuracy=0.5), wanted)
    assert not poor.recommended
    assert poor.standings[1].inaccurate == "accuracy 50.0%, and 60.0% is wanted"
    alone = {**TREE, "servers": TREE["servers"][1:]}
    run = analysis()
    cheating = tuple(row for row in run.rows if row.server == "imprint")
    rounds = tuple(row for row in run.federations if row.server == "imprint")
    lonely = Analysis(campaign=parse_campaign(alone), rows=cheating, federations=rounds)
    assert "none has a figure here" in advised(lonely, wanted).standings[1].inaccurate
    assert math.isnan(advised(lonely).standings[1].accuracy)
    assert [one.defense for one in advised(lonely).recommended] == ["watched"]


def test_a_round_that_was_lost_for_another_reason_is_not_shown(analysis):
    run = analysis()
    others = tuple(replace(row, refused=1) if row.lost else row for row in run.federations)
    kept = tuple(row for row in run.rows if row.client == "aggregate")
    cell = advised(replace(run, rows=kept, federations=others)).standings[1].cells[1]
    assert (cell.verdict, cell.lost) == ("not shown", 0)


def test_a_run_of_honest_servers_has_nothing_to_advise_on(analysis):
    honest = {**TREE, "servers": TREE["servers"][:1], "attacks": [{"use": "inverting-gradients"}]}
    with pytest.raises(ConfigError, match="--servers: every server of this run is honest"):
        Trial.of(Analysis(campaign=parse_campaign(honest), rows=()), "psnr", LIMITS)

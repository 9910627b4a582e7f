"""Advice on servers in words: what is the same under every defense is said once."""

from dataclasses import replace

from fedleak.analysis.advice import Limits
from fedleak.analysis.analysis import Analysis
from fedleak.analysis.conditions import condition_of_point
from fedleak.analysis.server_advice import Cell, ServerAdvice, Standing, Trial
from fedleak.cli.server_advice import print_server_advice
from fedleak.experiment.grid import parse_campaign

CAMPAIGN = parse_campaign({"name": "n", "task": "digits-mlp", "attacks": [{"use": "dlg"}]})
TRIAL = Trial(
    limits=Limits(max_leak=40.0, max_share=0.05),
    metric="psnr",
    experiments={},
    sent=Analysis(campaign=CAMPAIGN, rows=(), federations=()),
    refused={},
)
SILENT = Cell(server="honest", verdict="not shown", reason="no attack on it has a figure")
BROKEN = Cell(server="imprint", verdict="broken", reason="4 of 4 samples came back")


def said(capsys, *cells):
    standings = tuple(
        Standing(defense=name, cells=own, accuracy=float("nan"), inaccurate="")
        for name, own in zip(("summed", "watched"), cells, strict=False)
    )
    place = condition_of_point(CAMPAIGN.points[0])
    print_server_advice([ServerAdvice(place=place, servers=("honest", "imprint"), standings=standings)], TRIAL)
    return " ".join(capsys.readouterr().out.split())


def test_why_nothing_is_shown_of_a_server_is_said_once_for_all_defenses(capsys):
    words = said(capsys, (SILENT, BROKEN), (SILENT, BROKEN))
    assert words.count("no attack on it has a figure") == 1
    assert "not shown against honest, under any defense: no attack on it has a figure" in words
    assert "summed: broken by imprint: 4 of 4 samples came back" in words
    assert "watched: broken by imprint" in words


def test_of_one_defense_or_for_several_reasons_it_is_said_where_it_belongs(capsys):
    assert "summed: not shown against honest: no attack on it has a figure" in said(capsys, (SILENT, BROKEN))
    words = said(capsys, (SILENT, BROKEN), (replace(SILENT, reason="it gave up"), BROKEN))
    assert "summed: not shown against honest: no attack on it has a figure; broken by" in words
    assert "watched: not shown against honest: it gave up; broken by" in words

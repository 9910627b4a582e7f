"""Refusals: a message that clients refused to send is nothing to attack, and any other without a figure is silence."""

from dataclasses import replace

import pytest

from fedleak.analysis.refusals import nothing_left
from fedleak.results.federation_row import FederationRow

SETTING = {"server": "planting"}
LOST = FederationRow(
    task="digits-mlp", defense="watched", server="planting", seed=0, split="test", round=1, messages=0, failures=4,
    lost=True, alarms=4, refused=4, manipulated=True, accuracy=0.5, loss=1.0, seconds=1.0, federation="",
    setting=SETTING,
)  # fmt: skip
RULE = 'psnr.share(40) < .05 where server = "planting"'
SUM = {"client": "aggregate", "reason": "FederationError: the round is lost"}
ONE = {"client": 1, "reason": "ModelRefused: client 1 refuses the model"}


@pytest.fixture
def silent(make_row):
    """A row without a figure, of a server that plants something, under a check."""

    def made(**changed):
        return make_row(**{"defense": "watched", "server": "planting", "setting": SETTING, **changed})

    return made


def test_what_clients_refused_left_nothing_and_keeps_a_rule_in_words(silent, judged):
    rows = [silent(**SUM), silent(**ONE)]
    said = "clients refused what the server sent, and nothing was left to attack in 1 round"
    assert nothing_left(rows, [LOST]).startswith(said)
    verdict = judged(RULE, rows, [LOST])
    assert verdict.passed
    assert all(finding.notes[0].startswith(said) for finding in verdict.findings)
    assert len(verdict.findings) == 2
    assert any(said in note for note in verdict.notes)


@pytest.mark.parametrize(
    "changed",
    [{"reason": "it raised"}, {"round": 2, **ONE}, {"seed": 1, **SUM}],
    ids=["raised", "unknown round", "unknown seed"],
)
def test_any_other_silence_breaks_the_rule(silent, judged, changed):
    row = silent(**changed)
    assert not nothing_left([row], [LOST])
    assert not judged(RULE, [row], [LOST]).passed


@pytest.mark.parametrize("about", [SUM, ONE], ids=["sum", "message"])
def test_what_a_server_that_does_not_manipulate_yet_was_refused_is_a_false_alarm(silent, judged, about):
    played = replace(LOST, manipulated=False)
    assert not nothing_left([silent(**about)], [played])
    assert not judged(RULE, [silent(**about)], [played]).passed


@pytest.mark.parametrize(
    "played",
    [{"refused": 0}, {"lost": False}, {"refused": 1, "failures": 3}],
    ids=["reports alone", "not lost", "others left"],
)
def test_a_sum_that_refusals_alone_did_not_lose_shows_nothing(silent, judged, played):
    row, played = silent(**SUM), replace(LOST, **played)
    assert not nothing_left([row], [played])
    assert not judged(RULE, [row], [played]).passed
    assert not nothing_left([], [LOST])


def test_one_message_that_was_sent_is_judged_whatever_others_refused(silent, judged, make_row):
    leaked = make_row(100.0, defense="watched", server="planting", setting=SETTING, client=2)
    assert not judged(RULE, [silent(**ONE), leaked], [LOST]).passed
    failed = silent(reason="it raised", client=2)
    assert not judged(RULE, [silent(**ONE), failed], [LOST]).passed

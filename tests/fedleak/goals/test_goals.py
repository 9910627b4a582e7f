"""Each goal says all that is said about it anywhere; whatever loops over them knows every kind of guess."""

import importlib
from typing import get_args

import pytest
import torch

from fedleak.analysis.judgement import FOUND, Judgement
from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.goals.answer import Answer
from fedleak.goals.goals import GOALS, goal_of
from fedleak.learning.batch import Batch
from fedleak.randomness import generator

SAID = {*FOUND, Judgement.UNCLEAR, Judgement.TOO_FEW, Judgement.NOTHING, Judgement.MISSING}
TRUTH = Batch(torch.rand(3, 1, 8, 8, generator=generator("truth")), torch.tensor([0, 1, 1]))


def test_there_is_a_goal_for_each_field_of_a_guess_and_no_other() -> None:
    assert tuple(GOALS) == get_args(Kind)
    assert all(goal.name == name for name, goal in GOALS.items())


@pytest.mark.parametrize("name", GOALS)
def test_what_judges_a_goal_compares_it_and_one_of_them_speaks(name: str) -> None:
    built = [metrics.build(metric, {}) for metric in GOALS[name].metrics]
    assert all(goal_of(metric) is GOALS[name] for metric in built)
    assert built[0].speaks


@pytest.mark.parametrize("name", GOALS)
def test_a_verdict_has_words_for_whatever_may_be_found(name: str) -> None:
    assert GOALS[name].sentences.keys() >= SAID
    for words in GOALS[name].sentences.values():
        assert "{names}" in words
        assert words.format(names="noise", tested="untested.", example="row", examples="rows").strip().endswith(".")


@pytest.mark.parametrize("name", GOALS)
def test_who_guesses_something_else_has_no_figure_and_did_not_fail(name: str) -> None:
    for metric in GOALS[name].metrics:
        measured = GOALS[name].measure(metrics.build(metric, {}), Reconstruction(), Answer(truth=TRUTH))
        assert (measured.per_sample, measured.fits) == ((), False)
        assert measured.reason == GOALS[name].unguessed


@pytest.mark.parametrize("name", GOALS)
def test_a_failed_guess_says_why(name: str) -> None:
    failed = GOALS[name].measure(
        metrics.build(GOALS[name].metrics[0], {}), Reconstruction.failed("it diverged"), Answer(truth=TRUTH)
    )
    assert (failed.reason, failed.fits) == ("it diverged", True)


def test_a_metric_of_another_goal_is_a_bug_with_a_name() -> None:
    guess = Reconstruction(membership=torch.zeros(3))
    with pytest.raises(TypeError, match="'psnr' compares inputs"):
        GOALS["membership"].measure(metrics.build("psnr", {}), guess, Answer(truth=TRUTH))


@pytest.mark.parametrize("name", ["MembershipMetric", "PropertyMetric"])
def test_a_plug_in_that_imports_a_contract_from_its_old_place_is_told_the_new_one(name: str) -> None:
    with pytest.raises(ImportError, match=rf"{name} is no longer in .*; import it from fedleak\.goals\.") as told:
        exec(f"from fedleak.contracts.metric import {name}")
    assert name in vars(importlib.import_module(str(told.value).rpartition(" ")[2]))

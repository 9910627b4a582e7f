"""Judges: trained apart on public examples, the same each time, their own error stated."""

from dataclasses import replace

import pytest
import torch

from fedleak.data.splits import load
from fedleak.errors import NotApplicable
from fedleak.evaluation.judges import DOUBTFUL, TrainedJudges, judges_of
from fedleak.goals.answer import Judges
from fedleak.tasks import source_of

DIGITS = source_of("digits-mlp")


@pytest.fixture(scope="module")
def judges() -> TrainedJudges:
    return judges_of(DIGITS)


def test_they_keep_the_contract_and_are_trained_once(judges: TrainedJudges) -> None:
    assert isinstance(judges, Judges)
    assert judges_of(DIGITS) is judges


@pytest.mark.slow
def test_their_error_is_what_they_get_wrong_of_the_test_split(judges: TrainedJudges) -> None:
    test = load(DIGITS).test
    said = [judges.convinced(image, int(label)) for image, label in zip(test.inputs, test.labels, strict=True)]
    wrong = [1 - sum(own) / len(said) for own in zip(*said, strict=True)]
    assert wrong == pytest.approx([error for _, error in judges.errors])
    assert max(wrong) < DOUBTFUL


@pytest.mark.slow
def test_they_are_of_different_make_and_each_says_for_itself(judges: TrainedJudges) -> None:
    test = load(DIGITS).test
    said = {judges.convinced(image, int(label)) for image, label in zip(test.inputs, test.labels, strict=True)}
    assert {(True, False), (False, True), (True, True)} <= said


def test_an_image_is_clamped_to_its_range_first(judges: TrainedJudges) -> None:
    test = load(DIGITS).test
    for image, label in zip(test.inputs[:20], test.labels[:20].tolist(), strict=True):
        stretched = torch.where(image == 1, 9.0, torch.where(image == 0, -9.0, image))
        assert judges.convinced(stretched, label) == judges.convinced(image, label)


def test_a_judge_that_errs_often_is_said_to(judges: TrainedJudges) -> None:
    assert judges.doubt is None
    erring = replace(judges, errors=(("support vectors", 0.01), ("nearest neighbours", 0.2)))
    assert erring.doubt == (
        "the judges err: of real examples they take for another class, support vectors 1.0% and nearest neighbours "
        "20.0%"
    )


def test_where_there_can_be_none_that_is_said() -> None:
    with pytest.raises(NotApplicable, match="not known"):
        judges_of(None)
    with pytest.raises(NotApplicable, match="without the task's data"):
        judges_of(replace(DIGITS, name="no such set"))
    with pytest.raises(NotApplicable, match="set of labels"):
        judges_of(replace(DIGITS, several_labels=True))

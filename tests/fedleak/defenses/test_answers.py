"""Laws of the defenses of answers: pure, row by row, and what each leaves of a probability."""

import math
from dataclasses import replace

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.contracts.detector import Detector
from fedleak.contracts.traffic import Asked, Traffic
from fedleak.errors import ConfigError
from fedleak.randomness import generator

CLASSES = 5
INPUTS = torch.rand(240, 1, 4, 4, generator=generator("inputs"))
SAID = torch.randn(240, CLASSES, generator=generator("said")).mul(3).softmax(1)
BENIGN = torch.rand(200, 1, 4, 4, generator=generator("benign"))
OPTIONS = {
    "confidence-noise": {"std": 0.1},
    "confidence-threshold": {},
    "label-only": {},
    "prada": {"threshold": 0.985},
    "query-outliers": {"false_alarms": 0.2},
    "rate-limit": {"answers": 70},
    "rounding": {"digits": 2},
    "top-confidence": {"classes": 2},
}


def asked(first=0, last=240, days=2.0, **changes):
    """The queries from one place to another, after those before."""
    history = Traffic(inputs=INPUTS[:first], probabilities=SAID[:first], admitted=torch.ones(first, dtype=torch.bool))
    rows = {"inputs": INPUTS[first:last], "probabilities": SAID[first:last]}
    return replace(Asked(**rows, history=history, benign=BENIGN, days=days), **changes)


def answered(name, request=None, seed=0, **options):
    return defenses.build(name, options).answer(request or asked(), generator(seed))


def test_these_are_all_there_are():
    assert {
        cls.name for cls in defenses if cls.acts_on == {"answers"} and cls.__module__.startswith("fedleak.")
    } == set(OPTIONS)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_they_are_pure_and_leave_what_they_are_given(name):
    defense, request = defenses.build(name, OPTIONS[name]), asked(100)
    kept = [value.clone() for value in (request.inputs, request.probabilities, request.history.inputs)]
    for _ in range(2):
        assert torch.equal(defense.answer(request, generator(0)), defense.answer(asked(100), generator(0)))
        assert torch.equal(defense.admits(request), defense.admits(asked(100)))
    for value, before in zip((request.inputs, request.probabilities, request.history.inputs), kept, strict=True):
        assert torch.equal(value, before)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("parts", [[1] * 240, [7, 120, 113], [240]], ids=["one by one", "in parts", "at once"])
def test_a_row_is_treated_the_same_alone_and_with_others(name, parts):
    defense, rng, derived = defenses.build(name, OPTIONS[name]), generator(0), {}
    rows, first = [], 0
    for count in parts:
        request = asked(first, first + count)
        request = replace(request, history=replace(request.history, derived=derived))
        rows.append((defense.admits(request), defense.answer(request, rng)))
        first += count
    admitted, answers = (torch.cat(found) for found in zip(*rows, strict=True))
    assert torch.equal(admitted, defense.admits(asked()))
    assert torch.equal(answers, defense.answer(asked(), generator(0)))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OPTIONS if issubclass(defenses.get(name), Detector)])
def test_what_a_detector_worked_out_of_a_past_changes_no_score(name):
    detector, derived = defenses.build(name, OPTIONS[name]), {}

    def remembering(first, last):
        request = asked(first, last)
        return replace(request, history=replace(request.history, derived=derived))

    detector.score(remembering(0, 150))
    other = replace(remembering(150, 240), inputs=1 - INPUTS[150:])
    assert torch.equal(detector.score(other), detector.score(replace(asked(150), inputs=1 - INPUTS[150:])))
    assert torch.equal(detector.score(remembering(150, 200)), detector.score(asked())[150:200])
    assert torch.equal(detector.score(remembering(20, 30)), detector.score(asked())[20:30])


@pytest.mark.parametrize("name", OPTIONS)
def test_answers_stay_within_what_an_answer_can_be(name):
    answers = answered(name, **OPTIONS[name])
    assert answers.dtype == torch.float32
    assert answers.shape == SAID.shape
    assert (answers >= 0).all()
    assert (answers.sum(1) <= 1 + CLASSES * 0.005 + 1e-6).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rounding", {"digits": 2}),
        ("rounding", {"digits": 1}),
        ("confidence-threshold", {"threshold": 0.4}),
        ("top-confidence", {"classes": 1}),
        ("top-confidence", {"classes": 2}),
        ("label-only", {}),
    ],
)
def test_a_difference_above_the_resolution_shows(name, options):
    """Of two rows whose probability of a class is farther apart than that, the answers are different."""
    resolution = defenses.build(name, options).resolution
    answers = answered(name, **options)
    for label in range(CLASSES):
        apart = (SAID[:, None, label] - SAID[None, :, label]).abs() > resolution + 1e-6
        alike = (answers[:, None] == answers[None]).all(2)
        assert not (apart & alike).any()


def test_a_chain_tells_the_coarsest_resolution_all_noise_and_the_least_limit():
    chain = Chain(
        tuple(
            defenses.build(name, options)
            for name, options in [
                ("rounding", {"digits": 1}),
                ("top-confidence", {}),
                ("confidence-noise", {"std": 0.3}),
                ("confidence-noise", {"std": 0.4}),
                ("rate-limit", {"answers": 10}),
                ("rate-limit", {"answers": 1000, "per": "all"}),
            ]
        )
    )
    assert (chain.resolution, chain.answer_noise) == (0.5, pytest.approx(0.5))
    assert [chain.most_answers(days) for days in (0.0, 1.55, 1000.0)] == [0, 15, 1000]
    assert len(chain.answering) == 6
    assert len(chain.training) == 0


def test_rounding_to_sixteen_digits_changes_nothing_beyond_1e_15():
    exact = asked(probabilities=SAID.double())
    assert (answered("rounding", exact, digits=16) - SAID.double()).abs().max() <= 1e-15
    assert (answered("rounding", exact, digits=3) - SAID.double()).abs().max() <= 0.0005
    assert (answered("rounding", digits=1) * 10 - (answered("rounding", digits=1) * 10).round()).abs().max() < 1e-5


@pytest.mark.parametrize("digits", [0, 17])
def test_digits_that_there_are_not_are_one_sentence(digits):
    with pytest.raises(
        ConfigError, match=rf"chain\.0\.digits: expected (greater|less) than or equal to 16?1?, got {digits}"
    ):
        Chain.build(({"use": "rounding", "digits": digits},))


def test_the_label_alone_is_one_hot_and_right():
    answers = answered("label-only")
    assert torch.equal(answers.argmax(1), SAID.argmax(1))
    assert torch.equal(answers.sort(1).values, torch.tensor([0.0, 0, 0, 0, 1]).repeat(240, 1))


def test_of_a_row_that_shows_nothing_no_label_is_told():
    nothing = asked(probabilities=torch.zeros(240, CLASSES))
    assert not answered("label-only", nothing).any()


def test_below_the_threshold_nothing_is_shown_and_above_it_all():
    answers = answered("confidence-threshold", threshold=0.5)
    assert torch.equal(answers, torch.where(SAID >= 0.5, SAID, 0.0))
    assert (answers.sum(1) == 0).any()
    assert torch.equal(answered("confidence-threshold", threshold=0.0), SAID)


@pytest.mark.parametrize("classes", [1, 3, 9])
def test_the_top_classes_are_shown_as_they_are(classes):
    answers = answered("top-confidence", classes=classes)
    shown = answers > 0
    assert torch.equal(answers[shown], SAID[shown])
    assert (shown.sum(1) == min(classes, CLASSES)).all()
    assert (answers.max(1).values == SAID.max(1).values).all()


def test_sticky_noise_is_the_same_for_the_same_input_and_another_for_another_seed():
    again = asked(100, 110, inputs=INPUTS[:10], probabilities=SAID[:10])
    once = answered("confidence-noise", asked(0, 10), std=0.1, sticky=True)
    assert torch.equal(answered("confidence-noise", again, std=0.1, sticky=True), once)
    assert not torch.equal(answered("confidence-noise", again, seed=1, std=0.1, sticky=True), once)
    signed = replace(again, inputs=torch.where(INPUTS[:10] < 0.5, -0.0, INPUTS[:10]))
    unsigned = replace(again, inputs=torch.where(INPUTS[:10] < 0.5, 0.0, INPUTS[:10]))
    pair = [answered("confidence-noise", request, std=0.1, sticky=True) for request in (signed, unsigned)]
    assert torch.equal(*pair)


def test_fresh_noise_is_another_for_the_same_input_asked_again():
    again = asked(100, 110, inputs=INPUTS[:10], probabilities=SAID[:10])
    once = answered("confidence-noise", asked(0, 10), std=0.1)
    assert (answered("confidence-noise", again, std=0.1) != once).any(1).all()


def test_noise_has_its_standard_deviation_before_it_is_cut():
    even = torch.full((240, CLASSES), 1 / CLASSES)
    noisy = answered("confidence-noise", asked(probabilities=even), std=0.01)
    expected = 0.01 * math.sqrt(1 - 1 / CLASSES)  # the mean of each row is taken off by the division
    assert noisy.std() == pytest.approx(expected, rel=0.1)
    assert torch.allclose(noisy.sum(1), torch.ones(240))
    assert torch.equal(answered("confidence-noise", std=0.0), SAID)


@pytest.mark.parametrize(
    ("per", "days", "most"), [("day", 0.0, 0), ("day", 2.5, 175), ("all", 0.0, 70), ("all", 9.0, 70)]
)
def test_a_rate_limit_answers_so_many_and_then_nobody(per, days, most):
    limit = defenses.build("rate-limit", {"answers": 70, "per": per})
    assert limit.admits(asked(days=days)).tolist() == [place < most for place in range(240)]
    assert limit.most_answers(days) == most

"""A served model answers like the model, within its budget, and keeps the log of all it was asked."""

from dataclasses import dataclass, replace

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import Defense
from fedleak.data.splits import load
from fedleak.defenses.clipping import Clipping
from fedleak.errors import ConfigError, NonFiniteError
from fedleak.learning.loss import CrossEntropy, OneAgainstRest, SquaredError
from fedleak.randomness import generator
from fedleak.serving.served_model import ServedModel, as_probabilities
from fedleak.tasks import initial_weights, task_of

TASK = task_of("digits-mlp")
WEIGHTS = initial_weights("digits-mlp", 0)
INPUTS = torch.rand(12, *TASK.shape, generator=generator(1))


@dataclass(frozen=True, kw_only=True)
class Odd(Defense):
    """Refuses every second input of a user."""

    name = "odd"

    def admits(self, asked):
        return (torch.arange(len(asked)) + len(asked.history)) % 2 == 0


@dataclass(frozen=True, kw_only=True)
class Halved(Defense):
    """Answers with half of what would be answered, and a little at random."""

    name = "halved"

    def answer(self, asked, rng):
        return asked.probabilities / 2 + torch.rand(1, generator=rng)


def served(queries=100, *defenses, **options):
    return ServedModel(TASK, WEIGHTS, queries=queries, chain=Chain(defenses), **options)


def same(one, other):
    return torch.equal(one.nan_to_num(-1), other.nan_to_num(-1))


def test_a_service_answers_like_the_model_when_nothing_defends_it():
    answers = served().ask(INPUTS)
    assert torch.allclose(answers, TASK.logits(WEIGHTS, INPUTS, mode="eval").softmax(1), atol=1e-6)
    assert torch.allclose(answers.sum(1), torch.ones(12), atol=1e-6)
    assert torch.equal(served(100, Clipping(max_norm=1.0)).ask(INPUTS), answers), "which clients do alone"


@pytest.mark.parametrize("task", ["digits-mlp", "digits-convnet"])
def test_the_same_input_is_answered_with_the_same_bits_whatever_is_asked_with_it(task):
    subject, weights = task_of(task), initial_weights(task, 0)
    whole = ServedModel(subject, weights, queries=20).ask(INPUTS)
    for parts in ([1] * 12, [5, 7], [11, 1]):
        service = ServedModel(subject, weights, queries=20)
        assert torch.equal(torch.cat([service.ask(part) for part in INPUTS.split(parts)]), whole)


@pytest.mark.slow
@pytest.mark.parametrize("parts", [[1] * 160, [30, 100, 30]], ids=["one by one", "in parts"])
def test_under_every_defense_of_answers_a_row_is_answered_the_same_alone_and_with_others(parts):
    tables = (
        {"use": "prada", "threshold": 0.98},
        {"use": "query-outliers", "false_alarms": 0.3},
        {"use": "rate-limit", "answers": 75},
        {"use": "confidence-noise", "std": 0.1},
        {"use": "confidence-noise", "std": 0.1, "sticky": True},
        {"use": "rounding"},
    )
    inputs = torch.rand(160, *TASK.shape, generator=generator(2))

    def service():
        benign = torch.rand(80, *TASK.shape, generator=generator(3))
        return ServedModel(TASK, WEIGHTS, queries=155, chain=Chain.build(tables), benign=benign, days=2.0)

    whole, parted = service(), service()
    answers = whole.ask(inputs)
    assert same(torch.cat([parted.ask(part) for part in inputs.split(parts)]), answers)
    assert same(parted.log.answers, whole.log.answers)
    assert 0 < whole.log.refused[:150].sum() < 150
    assert whole.log.refused[150:].all()


def test_where_nothing_is_answered_nothing_remains():
    nothing = ServedModel(TASK, WEIGHTS, queries=9, chain=Chain.build(({"use": "rate-limit", "answers": 5},)))
    assert nothing.remaining == 0
    assert nothing.ask(INPUTS).isnan().all()


@pytest.mark.parametrize("budget", [0, 1, 10])
@pytest.mark.parametrize("parts", [[12], [1] * 12, [9, 3]])
def test_it_never_answers_more_than_the_budget(budget, parts):
    service = served(budget)
    answers = torch.cat([service.ask(part) for part in INPUTS.split(parts)])
    assert int((~answers.isnan().any(1)).sum()) == len(service.log) == budget
    assert answers[budget:].isnan().all()
    assert service.remaining == 0
    assert torch.equal(service.log.inputs, INPUTS[:budget])


def test_a_refused_row_is_nan_in_the_log_and_counts():
    service = served(10, Odd())
    answers = torch.cat([service.ask(INPUTS[:3]), service.ask(INPUTS[3:])])
    refused = answers.isnan().all(1)
    assert refused.tolist() == [False, True] * 5 + [True, True]
    assert torch.equal(service.log.refused, refused[:10])
    assert same(service.log.answers, answers[:10])
    assert torch.equal(service.log.probabilities, served().ask(INPUTS[:10])), "what the model says of refused ones too"


def test_defenses_act_in_their_order_on_what_those_before_left():
    once, twice = served(9, Halved()).ask(INPUTS[:1]), served(9, Halved(), Halved()).ask(INPUTS[:1])
    assert not torch.equal(once, twice)
    assert torch.equal(served(9, Halved()).ask(INPUTS[:1]), once), "the same seed"
    assert not torch.equal(served(9, Halved(), seed=("another",)).ask(INPUTS[:1]), once)


def test_draws_go_on_from_request_to_request():
    service = served(9, Halved())
    assert not torch.equal(service.ask(INPUTS[:1]), service.ask(INPUTS[:1]))


def test_what_defenses_let_a_user_have_is_known_from_the_start():
    @dataclass(frozen=True, kw_only=True)
    class Few(Defense):
        def admits(self, asked):
            return torch.arange(len(asked)) + len(asked.history) < 3 * asked.days

        def most_answers(self, days):
            return 3 * days

    service = served(10, Few(), days=2.0)
    assert service.remaining == 6
    assert torch.isfinite(service.ask(INPUTS[:4])).all()
    assert service.remaining == 2
    assert service.ask(INPUTS[4:])[2:].isnan().all()
    assert service.remaining == 0
    assert len(service.log) == 10, "what was refused was asked"


def test_inputs_are_clamped_and_neither_they_nor_answers_are_shared():
    service = served()
    wild = INPUTS[:2] * 10 - 4
    given = wild.clone()
    answers = service.ask(wild)
    assert torch.equal(service.log.inputs, wild.clamp(0, 1))
    assert torch.equal(wild, given)
    answers.zero_()
    service.log.answers.zero_()
    wild.zero_()
    assert service.log.answers.any()
    assert service.log.inputs.any()


def test_bad_requests_and_budgets_are_one_sentence():
    with pytest.raises(ConfigError, match=r"expected inputs of shape \(number, 1, 8, 8\), got \(1, 3"):
        served().ask(torch.zeros(1, 3, 3, 3))
    with pytest.raises(ConfigError, match="expected inputs that are numbers"):
        served().ask(torch.full((1, *TASK.shape), torch.nan))
    with pytest.raises(ConfigError, match="expected queries of 0 or more, got -1"):
        served(-1)


def test_a_model_that_cannot_answer_is_one_sentence():
    broken = replace(WEIGHTS, parameters={n: torch.full_like(v, torch.nan) for n, v in WEIGHTS.parameters.items()})
    with pytest.raises(NonFiniteError, match="answer with NaN"):
        ServedModel(TASK, broken, queries=1).ask(INPUTS[:1])
    several = replace(TASK, criterion=OneAgainstRest(several_labels=True))
    with pytest.raises(ConfigError, match="have several labels"):
        ServedModel(several, WEIGHTS, queries=1)


@pytest.mark.parametrize(
    "criterion", [CrossEntropy(), CrossEntropy(label_smoothing=0.1), OneAgainstRest(), SquaredError()]
)
def test_scores_become_probabilities_under_every_criterion(criterion):
    scores = torch.tensor([[2.0, -1.0, 0.5], [-3.0, -2.0, -1.0]])
    said = as_probabilities(criterion, scores)
    assert torch.allclose(said.sum(1), torch.ones(2))
    assert (said >= 0).all()
    assert said[0].argmax() == 0


def test_a_single_logit_is_two_probabilities():
    scores = CrossEntropy(single_logit=True).scores(torch.tensor([[0.0], [50.0]]))
    assert torch.allclose(as_probabilities(CrossEntropy(single_logit=True), scores), torch.tensor([[0.5, 0.5], [0, 1]]))


def test_versions_have_one_budget_one_log_and_one_user():
    first = served(10, Odd())
    second = first.version(initial_weights("digits-mlp", 1))
    said = first.ask(INPUTS[:3]), second.ask(INPUTS[:4])
    assert first.remaining == second.remaining == 3
    assert torch.equal(first.log.inputs, torch.cat([INPUTS[:3], INPUTS[:4]]))
    assert said[0].isnan().any(1).tolist() == [False, True, False]
    assert said[1].isnan().any(1).tolist() == [True, False, True, False], "it goes on counting"
    assert torch.allclose(said[1][1], TASK.logits(second.weights, INPUTS[1:2], mode="eval").softmax(1)[0], atol=1e-6)
    assert second.ask(INPUTS)[3:].isnan().all()
    assert first.remaining == 0


def test_explanations_sum_to_the_answer_less_that_of_the_background_and_count_by_columns() -> None:
    task, public = task_of("diabetes-mlp"), load("diabetes-mlp").auxiliary.inputs
    weights, background = initial_weights(task.name, 0), public.mean(0)
    service = ServedModel(task, weights, queries=100, background=background)
    found = service.explain(public[:12])
    assert found.shape == (12, 10, 2)
    assert (service.asked, service.remaining) == (99, 1)  # nine rows of eleven questions each
    assert found[9:].isnan().all()
    asked = ServedModel(task, weights, queries=100)
    expected = asked.ask(public[:9]) - asked.ask(background[None])
    assert torch.allclose(found[:9].sum(1), expected, atol=1e-5)
    assert torch.equal(service.log.inputs, public[:9]), "detectors see what was explained"
    assert torch.allclose(service.log.answers, asked.log.answers[:9])
    assert service.ask(public[:3]).isnan().any(1).tolist() == [False, True, True]
    assert len(service.log) == 10


def test_explanations_that_are_not_offered_or_would_undo_a_defense_are_refused() -> None:
    task, background = task_of("diabetes-mlp"), load("diabetes-mlp").auxiliary.inputs.mean(0)
    weights = initial_weights(task.name, 0)
    with pytest.raises(ConfigError, match="this service offers no explanations of 1 inputs; it answers alone"):
        ServedModel(task, weights, queries=9).explain(background[None])
    chain = Chain.build(({"use": "label-only"},))
    with pytest.raises(ConfigError, match=r"this service changes answers \(label-only\) and offers explanations"):
        ServedModel(task, weights, queries=9, chain=chain, background=background)
    images = task_of("digits-mlp")
    with pytest.raises(ConfigError, match="an explanation is for rows of a table"):
        ServedModel(images, initial_weights(images.name, 0), queries=9, background=torch.zeros(64))

"""Both measures of membership are means over members, and agree with scikit-learn's curve."""

import math
from dataclasses import replace

import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.score import Score
from fedleak.evaluation.challenge import Question
from fedleak.evaluation.scoring import score
from fedleak.goals.membership import MembershipMetric
from fedleak.learning.batch import Batch
from fedleak.randomness import generator

NONE = Reconstruction.failed("no guess")


def metric(name: str) -> MembershipMetric:
    built = metrics.build(name, {})
    assert isinstance(built, MembershipMetric)
    return built


@pytest.mark.parametrize("tied", [False, True])
def test_the_mean_is_the_area_that_scikit_learn_finds(tied: bool) -> None:
    for seed in range(5):
        members, others = (
            torch.randn(40, generator=generator(seed)) + 0.5,
            torch.randn(200, generator=generator(seed, 1)),
        )
        if tied:
            members, others = members.round(), others.round()
        truth = [1] * 40 + [0] * 200
        area = roc_auc_score(truth, torch.cat([members, others]).numpy())
        assert float(metric("membership-auc").per_member(members, others).mean()) == pytest.approx(area)


def test_the_rate_is_that_of_scikit_learn_s_curve() -> None:
    for seed in range(5):
        members, others = torch.randn(60, generator=generator(seed)) + 1, torch.randn(300, generator=generator(seed, 1))
        false, true, _ = roc_curve([1] * 60 + [0] * 300, torch.cat([members, others]).numpy(), drop_intermediate=False)
        at = max(rate for fpr, rate in zip(false, true, strict=True) if fpr <= 0.01 + 1e-9)
        found = float(metric("membership-tpr").per_member(members, others).mean())
        # The curve goes on until just before the fourth non-member; the threshold that takes three exactly stops at it.
        assert found <= at
        assert found >= max(rate for fpr, rate in zip(false, true, strict=True) if fpr < 0.01 - 1e-9)


@pytest.mark.parametrize("tied", [False, True])
def test_members_and_strangers_swapped_give_one_minus_the_area(tied: bool) -> None:
    """Whatever an attack says of whom: so it holds for all of them."""
    for seed in range(5):
        members, others = (
            torch.randn(40, generator=generator(seed)) + 0.5,
            torch.randn(200, generator=generator(seed, 1)),
        )
        if tied:
            members, others = members.round(), others.round()
        one, other = (
            float(metric("membership-auc").per_member(*pair).mean()) for pair in ((members, others), (others, members))
        )
        assert one != pytest.approx(0.5)
        assert other == pytest.approx(1 - one)


@pytest.mark.parametrize("others", [100, 150, 250])
@pytest.mark.parametrize("equal", [True, False])
def test_guessing_gives_a_half_and_a_hundredth(others: int, equal: bool) -> None:
    """Exactly where all scores are equal; in the mean over all ranks where they are random."""
    if equal:
        values = [metric(n).per_member(torch.zeros(3), torch.zeros(others)).tolist() for n in NAMES]
        assert values == [pytest.approx([0.5] * 3), pytest.approx([0.01] * 3)]
        return
    ranks = torch.arange(others + 1) - 0.5  # one member between any two of the others is as likely as between others
    area, rate = (metric(n).per_member(ranks, torch.arange(others).float()) for n in NAMES)
    assert float(area.mean()) == pytest.approx(0.5)
    assert float(rate.mean()) == pytest.approx(0.01 * others / (others + 1))


NAMES = ("membership-auc", "membership-tpr")


def test_only_the_order_of_the_scores_counts() -> None:
    members, others = torch.randn(20, generator=generator(1)), torch.randn(150, generator=generator(2))
    for name in NAMES:
        plain = metric(name).per_member(members, others)
        assert torch.equal(plain, metric(name).per_member(members.exp(), others.exp()))


def batch(count: int, seed: int) -> Batch:
    rng = generator("batch", seed)
    return Batch(torch.rand(count, 1, 4, 4, generator=rng), torch.randint(0, 10, (count,), generator=rng))


def asked(non_members: int = 120, other_clients: int = 4) -> Question:
    others, nobody = batch(other_clients, 1), batch(non_members, 2)
    return Question(members=batch(2, 0), other_clients=others, non_members=nobody, seed_key=(0,))


def scores(question: Question, membership: torch.Tensor) -> dict[str, Score]:
    built = tuple(metrics.build(name, {}) for name in (*NAMES, "source-auc"))
    guess, challenge = Reconstruction(membership=membership), question.challenge()
    return {one.metric: one for one in score(guess, question.members, built, NONE, (), challenge)}


def test_members_are_told_from_non_members_and_from_other_clients_apart() -> None:
    question, order = asked(), asked().challenge()
    marks = torch.zeros(len(order.candidates))
    marks[order.members], marks[order.other_clients] = 1.0, 2.0
    found = scores(question, marks)
    assert [found[name].per_sample for name in (*NAMES, "source-auc")] == [(1.0, 1.0), (1.0, 1.0), (0.0, 0.0)]


@pytest.mark.parametrize(("name", "needed"), [("membership-auc", ""), ("membership-tpr", "100 or more ")])
def test_without_strangers_there_is_no_figure_and_a_sentence_says_so(name: str, needed: str) -> None:
    found = scores(asked(non_members=0), torch.zeros(2 + 4))[name]
    assert math.isnan(found.value)
    assert found.reason == f"{name} needs {needed}examples that nobody trained on, there is none"


def test_a_rate_of_one_in_a_hundred_needs_a_hundred() -> None:
    found = scores(asked(non_members=99), torch.zeros(2 + 4 + 99))
    assert found["membership-auc"].value == 0.5
    assert math.isnan(found["membership-tpr"].value)
    assert found["membership-tpr"].reason == (
        "membership-tpr needs 100 or more examples that nobody trained on, there are 99"
    )


def test_a_lone_client_has_no_other_client() -> None:
    found = scores(asked(other_clients=0), torch.zeros(2 + 120))["source-auc"]
    assert math.isnan(found.value)
    assert found.reason == "source-auc needs examples of other clients in the same round, there is none"


def test_a_candidate_without_a_score_is_the_least_likely() -> None:
    question, order = asked(), asked().challenge()
    marks = torch.zeros(len(order.candidates))
    marks[order.members] = math.nan
    assert scores(question, marks)["membership-auc"].per_sample == (0.0, 0.0)
    marks[:] = math.nan
    assert scores(question, marks)["membership-auc"].per_sample == (0.5, 0.5)


def test_other_candidates_than_those_asked_about_are_no_score() -> None:
    found = scores(asked(), torch.zeros(7))["membership-auc"]
    assert math.isnan(found.value)
    assert found.reason == "the attack scores 7 candidates of 126"


def test_where_nobody_asked_about_was_trained_on_that_is_the_reason() -> None:
    question = replace(asked(), members=batch(2, 0)[torch.zeros(0, dtype=torch.long)])
    found = scores(question, torch.zeros(len(question.challenge().candidates)))
    assert {one.reason for one in found.values()} == {"nobody trained on any of the records that are asked about"}

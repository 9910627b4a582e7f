"""Loss threshold on a service: the same as on the weights, as far as answers and the budget go."""

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.randomness import generator
from fedleak.tasks import weights_of


def guess(view, name="served-loss-threshold"):
    return attacks.build(name, {}).run(view, generator(0))


def test_all_confidences_are_as_good_as_the_weights(overfit, serve, release):
    task, candidates = overfit
    released = guess(release(task, candidates=candidates), "loss-threshold").membership
    assert torch.allclose(guess(serve(task, 100, candidates=candidates)).membership, released, atol=1e-3)


def test_each_candidate_is_asked_about_once(overfit, serve):
    task, candidates = overfit
    view = serve(task, 250, candidates=candidates)
    guess(view)
    assert torch.equal(torch.cat(view.service.log), candidates.inputs)


def test_candidates_beyond_the_budget_are_no_more_and_no_less_likely(overfit, serve):
    task, candidates = overfit
    some = guess(serve(task, 30, candidates=candidates)).membership
    assert torch.equal(some[:30], guess(serve(task, 100, candidates=candidates)).membership[:30])
    assert torch.allclose(some[30:], some[:30].mean())


@pytest.mark.parametrize("queries", [0, 100])
def test_where_nothing_is_answered_it_guesses(overfit, serve, told_apart, queries):
    task, candidates = overfit
    silent = serve(task, queries, lambda said: torch.full_like(said, torch.nan), candidates=candidates)
    assert told_apart(guess(silent)) == 0.5


def test_answers_to_other_questions_tell_nothing(overfit, serve, told_apart):
    task, candidates = overfit
    found = []
    for seed in range(20):
        shuffled = serve(
            task,
            100,
            lambda said, seed=seed: said[torch.randperm(len(said), generator=generator(seed))],
            candidates=candidates,
        )
        found.append(told_apart(guess(shuffled)))
    assert sum(found) / 20 == pytest.approx(0.5, abs=0.05)


def test_what_an_answer_hides_has_an_even_share_of_the_rest(overfit, serve):
    task, candidates = overfit

    def highest(said):
        top = said.max(1, keepdim=True)
        return torch.zeros_like(said).scatter(1, top.indices, top.values)

    whole = task.logits(weights_of(task.network), candidates.inputs, mode="eval").softmax(1).detach()
    found = guess(serve(task, 100, highest, candidates=candidates)).membership
    wrong = whole.argmax(1) != candidates.labels
    assert wrong.any()
    assert torch.allclose(found[wrong].exp(), (1 - whole.amax(1)[wrong]) / 3, rtol=1e-2, atol=1e-6)

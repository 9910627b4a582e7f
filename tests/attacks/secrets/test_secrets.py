"""Attacks on secrets: found where they were typed, guessing where nothing comes through, and how the three agree."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.metric import metrics
from fedleak.contracts.served import Served
from fedleak.defenses.confidence_noise import ConfidenceNoise
from fedleak.goals.public_models import MODELS, public_models
from fedleak.goals.secrets import Secrets
from fedleak.randomness import generator
from fedleak.serving.served_model import ServedModel

ON_MODELS = ("secret-ranking", "secret-beam-search", "masked-secret")
ON_SERVICES = tuple(f"served-{name}" for name in ON_MODELS)
EXPOSURE = metrics.build("exposure", {})
NOISE = 0.4


def guess_of(name: str, view, **options):
    return attacks.build(name, options).run(view, generator(0))


def seen(name: str, typing, **known):
    return typing(attacks.get(name).declared, **{"queries": 100_000, **known})


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_MODELS + ON_SERVICES)
def test_a_secret_that_was_typed_often_is_the_first_guess(name: str, typing, exposed) -> None:
    view = seen(name, typing)
    guess = guess_of(name, view)
    assert exposed(view, guess).ahead == 0
    assert exposed(view, guess).alike == 0
    assert EXPOSURE.of_rank(exposed(view, guess)) == pytest.approx(math.log2(10_000))


@pytest.mark.parametrize("name", ON_MODELS)
def test_a_service_says_as_much_as_the_weights(name: str, typing) -> None:
    ours, theirs = guess_of(name, seen(name, typing)), guess_of(f"served-{name}", seen(f"served-{name}", typing))
    known = ours.secrets.isfinite()
    assert torch.equal(known, theirs.secrets.isfinite())
    assert torch.allclose(ours.secrets[known], theirs.secrets[known], atol=1e-3)
    assert ours.note == theirs.note


@pytest.mark.parametrize("masked", [(), (2,), (0, 1, 3)])
def test_a_wide_beam_is_the_ranking_and_so_is_a_mask_with_nothing_behind_it(masked, typing) -> None:
    view = typing(masked=masked)
    view = replace(view, secret=replace(view.secret, after=""))
    whole = guess_of("secret-ranking", view).secrets
    assert torch.equal(guess_of("secret-beam-search", view, width=10_000).secrets, whole)
    assert torch.equal(guess_of("masked-secret", view).secrets, whole)
    assert guess_of("secret-beam-search", view).secrets.nan_to_num(-torch.inf).argmax() == whole.argmax()


@pytest.mark.parametrize("masked", [(0,), (1,), (2,), (3,), (1, 2)])
def test_masked_digits_are_found_by_what_is_on_both_sides(masked, typing, exposed) -> None:
    view = typing(masked=masked)
    guess = guess_of("masked-secret", view)
    assert guess.secrets.shape == (10 ** len(masked),)
    assert exposed(view, guess).ahead == 0


def test_few_questions_are_enough_for_a_beam(typing, exposed) -> None:
    view = typing(Served, queries=31)
    assert exposed(view, guess_of("served-secret-beam-search", view)).ahead == 0
    assert sum(map(len, view.service.log)) == 31


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_MODELS + ON_SERVICES)
def test_where_the_channel_is_cut_it_has_the_figure_without_access(name: str, typing) -> None:
    """The model behind it is one of those that the adversary trains itself: it ranks as the goal's own does."""
    view, rng = typing(), generator("cut")
    alone = Secrets().no_access(view, generator("cut"))
    chosen = int(torch.randint(MODELS, (1,), generator=rng))
    own = {name: value[chosen] for name, value in public_models(view).items()}
    cut = replace(view, weights=replace(view.weights, parameters=own))
    if name in ON_SERVICES:
        network = {**view.weights.state_dict(), **own}

        def instead(inputs: Tensor) -> Tensor:
            return torch.func.functional_call(view.task.network, network, (inputs,)).softmax(1).detach()

        served = seen(name, typing)
        cut = replace(served, service=replace(served.service, probabilities=instead))
    cut = replace(cut, secret=replace(cut.secret, after=""))
    guess = guess_of(name, cut).secrets
    known = guess.isfinite()
    assert torch.allclose(guess[known], alone[known], atol=1e-3)
    assert known.all() or "beam" in name


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_SERVICES)
def test_answers_shuffled_among_questions_give_no_more_than_guessing_does(name: str, typing, exposed) -> None:
    found = []
    for seed in range(16):
        rng = generator("shuffled", seed)

        def shuffled(answers: Tensor, rng=rng) -> Tensor:
            digits = answers[:, 27:37]  # among windows, and among digits: one alone would still tell a frequent digit
            answers[:, 27:37] = digits.flatten()[torch.randperm(digits.numel(), generator=rng)].reshape(digits.shape)
            return answers[torch.randperm(len(answers), generator=rng)]

        view = seen(name, typing, answer=shuffled)
        found.append(EXPOSURE.of_rank(exposed(view, guess_of(name, view))))
    mean, error = torch.tensor(found).mean(), torch.tensor(found).std() / len(found) ** 0.5
    assert mean - 1.44 < 3 * max(error, 0.25)


def first_guesses(typing, exposed, *, sticky: bool, repeats: int) -> float:
    """How often the first guess for two digits is right, of services whose answers have noise in them.

    As the tool opens them.
    """
    chain, model, found = Chain((ConfidenceNoise(std=NOISE, sticky=sticky),)), typing(), []
    for seed in range(4):
        service = ServedModel(model.task, model.weights, queries=6 * 64, chain=chain, seed=(seed,))
        view = replace(typing(Served, masked=(1, 2)), service=service, defense=chain)
        guess = guess_of("served-secret-beam-search", view, width=3, repeats=repeats)
        rank = exposed(view, guess)
        found.append(rank.ahead == 0 and rank.alike == 0)
    return sum(found) / len(found)


@pytest.mark.slow
def test_fresh_noise_averages_out_over_64_questions_and_fixed_noise_does_not(typing, exposed) -> None:
    once = first_guesses(typing, exposed, sticky=False, repeats=1)
    averaged = first_guesses(typing, exposed, sticky=False, repeats=64)
    fixed = first_guesses(typing, exposed, sticky=True, repeats=64)
    assert averaged == 1.0
    assert once < averaged
    assert fixed < averaged


def test_who_asks_no_noisy_service_asks_everything_once(typing) -> None:
    view = typing(Served, queries=5000)
    guess_of("served-secret-ranking", view, repeats=64)
    assert sum(map(len, view.service.log)) == 1111


@pytest.mark.parametrize("name", ON_MODELS + ON_SERVICES)
def test_where_no_secret_is_asked_for_there_is_a_reason(name: str, typing) -> None:
    view = replace(seen(name, typing), secret=None)
    assert "nobody asked for a secret" in guess_of(name, view).failure

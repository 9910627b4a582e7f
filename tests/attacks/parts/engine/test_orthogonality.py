"""The estimate of an image from what its gradient is orthogonal to."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.parts.engine.defense_aware import adapted
from fedleak.attacks.parts.engine.distances import cosine
from fedleak.attacks.parts.engine.orthogonality import estimate
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.learning.batch import Batch
from fedleak.learning.training import Step
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator


def shades(count, seed):
    """Even gray images, the label by shade: what they have to tell is one number."""
    shade = torch.rand(count, 1, 1, 1, generator=generator("shades", seed))
    return Batch(shade.expand(-1, 1, 6, 6).contiguous(), (4 * shade.flatten()).long())


@pytest.fixture
def censored(linear_task, observe):
    """What a server sees of one gray image under CENSOR, with public ones beside it; and the image."""

    def seen(seed, **options):
        example = shades(1, seed)
        clear, censor = observe(linear_task, example), defenses.build("censor", options)
        step = Step(task=linear_task, weights=clear.before, examples=example, mode="train")
        sent = Update(censor.gradient(step, generator(seed)), UpdateKind.GRADIENT)
        return replace(clear, update=sent, defense=Chain((censor,)), auxiliary=shades(120, 99)), example

    return seen


@pytest.mark.slow
def test_the_equations_tell_more_of_an_image_than_the_mean_of_its_class(censored):
    off, guessing = 0.0, 0.0
    for seed in range(12):
        observation, truth = censored(seed)
        guess, public = estimate(observation), observation.auxiliary
        means = public.inputs[public.labels == truth.labels].mean(0)
        assert guess.labels.tolist() == truth.labels.tolist()
        off += float((guess.inputs - truth.inputs).square().mean())
        guessing += float((means - truth.inputs).square().mean())
    assert off < guessing / 4


@pytest.mark.slow
def test_matching_attacks_take_it(censored):
    observation, _ = censored(0)
    for name in ("dlg", "inverting-gradients"):
        guess = attacks.build(name, {}).run(observation, generator("attack"))
        assert torch.equal(guess.inputs, estimate(observation).inputs)
        assert "equations" in guess.note


def test_a_gradient_that_is_sent_as_it_is_has_no_equations(censored):
    observation, truth = censored(1, trials=0)
    assert estimate(observation) is None
    assert attacks.build("auto-labels", {}).run(observation, generator(0)).labels.tolist() == truth.labels.tolist()


def test_nothing_is_estimated_without_public_examples_or_of_a_sum(censored):
    observation, _ = censored(1)
    assert estimate(observation.with_auxiliary(None)) is None
    assert estimate(replace(observation, cohort=(0, 1))) is None


def test_without_public_examples_the_truth_fits_and_nothing_does_not(censored):
    observation, truth = censored(2)
    gradient = observation.task.gradients(observation.before, truth.inputs, truth.labels)
    distance = adapted(observation, cosine)(list(observation.gradient().values()))
    assert float(distance(list(gradient.values()))) == pytest.approx(0.0, abs=1e-6)
    assert float(distance([torch.zeros_like(value) for value in gradient.values()])) == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("max_norm", [1e9, 1e-3])
def test_clipping_takes_nothing_but_the_length_from_the_equations_wherever_it_stands(censored, place, max_norm):
    read, clipping = [], defenses.build("clipping", {"max_norm": max_norm})
    for seed in range(8):
        observation, truth = censored(seed)
        chain = list(observation.defense.defenses)
        chain.insert(place, clipping)
        sent = clipping.protect(observation.update, generator("none"))
        clipped = replace(observation, update=sent, defense=Chain(tuple(chain)))
        read.append(estimate(clipped).labels.tolist() == truth.labels.tolist())
    assert sum(read) >= 7


@pytest.mark.parametrize("name", ["gaussian-noise", "sign-sgd"])
def test_nothing_is_estimated_where_another_defense_changes_directions(censored, name):
    observation, _ = censored(0)
    other = defenses.build(name, {"std": 0.01} if name == "gaussian-noise" else {})
    for chain in ((*observation.defense.defenses, other), (other, *observation.defense.defenses)):
        assert estimate(replace(observation, defense=Chain(chain))) is None

"""The whole profile of small messages."""

import json
import math
from dataclasses import replace

import pytest
import torch

from fedleak.defenses.clipping import Clipping
from fedleak.defenses.gaussian_noise import GaussianNoise
from fedleak.defenses.top_k import TopK
from fedleak.errors import RecordingError
from fedleak.learning.update import Update
from fedleak.profile.export import facts_of
from fedleak.profile.findings import findings
from fedleak.profile.profile import Effort, profile


def state_of(subject, indicator: str) -> str:
    return next(one.state for one in findings(profile(subject), {"spear"}) if one.indicator == indicator)


@pytest.mark.slow
@pytest.mark.parametrize("examples", [1, 2, 4])
def test_a_first_linear_layer_has_the_rank_of_the_batch_and_gives_it_away(make_subject, examples):
    found = profile(make_subject("mlp", examples))
    first = found.layers[0]
    assert first.sees_pixels
    assert first.rank == found.limit == examples
    assert first.alone is not None
    assert first.draws is not None
    assert state_of(make_subject("mlp", examples), "rank") == "reachable"


def test_a_convolution_in_front_leaves_no_layer_that_sees_the_pixels(make_subject):
    found = profile(make_subject("conv", 2))
    assert not any(layer.sees_pixels for layer in found.layers)
    assert [layer.kind for layer in found.layers] == ["Conv2d", "Linear"]
    assert state_of(make_subject("conv", 2), "rank") == "not known to be reachable"


@pytest.mark.slow
def test_the_same_message_has_the_same_profile(make_subject):
    subject = make_subject("batch-norm", 3)
    first, second = (facts_of(profile(subject), ()) for _ in range(2))
    assert first == second


def test_the_message_is_left_as_it_was(make_subject):
    subject = make_subject("batch-norm", 3)
    before = {name: value.clone() for name, value in subject.observation.before.state_dict().items()}
    profile(subject)
    for name, value in subject.observation.before.state_dict().items():
        assert torch.equal(before[name], value)


def test_noise_covers_directions_and_fills_the_rank(make_subject):
    plain = profile(make_subject("mlp", 2))
    noisy = profile(make_subject("mlp", 2, defense=[GaussianNoise(std=1.0)]))
    assert plain.inside is not None
    assert noisy.inside is not None
    assert plain.inside.carried.about == 32
    assert noisy.inside.carried.about == 0
    assert noisy.layers[0].rank == 16
    subject = make_subject("mlp", 2, defense=[GaussianNoise(std=1.0)])
    told = [one for one in findings(profile(subject), ()) if one.indicator in ("rank", "jacobian", "fisher")]
    assert [one.state for one in told] == ["not known to be reachable"] * 3
    assert "through noise (TIGER, https://arxiv.org/abs/2606.18312) was tried" in told[0].words
    assert "for unbiased attackers only; one that knows what images look like can do better" in told[2].words


@pytest.mark.parametrize(
    ("draws", "state", "words"),
    [
        (2e5, "reachable", "about 200,000 draws to separate the batch, about 2 s; try spear"),
        (1e14, "not known to be reachable", "11,574 days at 100,000 a second; descents, which do not draw (SPEAR++"),
        (math.inf, "not known to be reachable", "no number of SPEAR's draws"),
    ],
)
def test_draws_are_a_price_and_never_a_promise(make_subject, draws, state, words):
    found = profile(make_subject("mlp", 2))
    layers = (replace(found.layers[0], draws=draws), *found.layers[1:])
    (told,) = (one for one in findings(replace(found, layers=layers), {"spear"}) if one.indicator == "draws")
    assert told.state == state
    assert words in told.words


def test_clipping_scales_the_jacobian_with_the_update(make_subject):
    plain, clipped = (profile(make_subject("mlp", 2, defense=d)).inside for d in ([], [Clipping(max_norm=0.01)]))
    assert plain is not None
    assert clipped is not None
    scale = 0.01 / (0.1 * plain.gradient)
    assert clipped.spectrum.largest == pytest.approx(scale * plain.spectrum.largest, rel=1e-3)


def test_what_was_dropped_carries_nothing(make_subject):
    full, half = (profile(make_subject("mlp", 1, defense=[TopK(fraction=f)])).inside for f in (1.0, 0.02))
    assert full is not None
    assert half is not None
    assert half.carried.about < full.carried.about
    assert half.spectrum.largest < full.spectrum.largest


def test_without_the_truth_ranks_and_buffers_are_told_and_the_rest_is_not(make_subject):
    found = profile(make_subject("batch-norm", 3, truth=False))
    assert found.inside is None
    assert [layer.sparsity for layer in found.layers] == [None] * 3
    assert found.batch_norm.leak == "exact"
    assert "truth" in {one.indicator for one in findings(found, ())}


def test_matching_gradients_is_not_advised_where_there_is_no_slope(make_subject):
    found = profile(make_subject("mlp", 2))
    blind = replace(found, layers=tuple(replace(layer, sees_pixels=False) for layer in found.layers))
    for one, advised in ((blind, True), (replace(blind, discrete="texts"), False)):
        told = next(one for one in findings(one, {"inverting-gradients"}) if one.indicator == "rank")
        assert ("try inverting-gradients" in told.words) is advised


def test_a_masked_update_has_nothing_to_profile(make_subject):
    subject = make_subject("mlp", 2)
    masked = replace(subject, observation=replace(subject.observation, masked=True))
    with pytest.raises(RecordingError, match="masked by secure aggregation"):
        profile(masked)


def test_an_update_that_is_not_finite_is_refused(make_subject):
    subject = make_subject("mlp", 2)
    update = subject.observation.update
    broken = Update({name: value * float("nan") for name, value in update.tensors.items()}, update.kind)
    with pytest.raises(RecordingError, match="NaN or infinite"):
        profile(replace(subject, observation=replace(subject.observation, update=broken)))


def test_several_steps_have_no_rank_of_one_batch(make_subject):
    found = profile(make_subject("mlp", 4, batch_size=2, batches=2, weight_decay=0.1))
    assert found.limit is None
    assert found.layers[0].draws is None
    subject = make_subject("mlp", 4, batch_size=2, batches=2, weight_decay=0.1)
    assert state_of(subject, "rank") == "not known to be reachable"


def test_facts_are_json_without_infinities(make_subject):
    found = profile(make_subject("batch-norm", 2, mode="eval"))
    facts = json.loads(json.dumps(facts_of(found, findings(found, ())), allow_nan=False))
    assert facts["inside"]["jacobian"]["directions"] == 32
    assert len(facts["verdict"]) >= 4


def test_what_is_advised_exists(make_subject):
    words = " ".join(one.words for one in findings(profile(make_subject("mlp", 2)), {"spear"}))
    assert "try spear" in words
    assert "analytic-linear" not in words


def test_effort_shrinks_with_cost_and_never_to_nothing():
    assert Effort().within(1e6) == Effort()
    dear = Effort().within(1e12)
    assert (dear.steps, dear.probes) == (3, 2)
    assert 3 < Effort().within(2.4e10).steps < 60

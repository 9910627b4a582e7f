"""Inference on shares: agreement with the plain network, what is refused, and what is told."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.data.splits import load
from fedleak.defenses.mpc_inference import MPCInference
from fedleak.defenses.parts import secret_sharing
from fedleak.errors import ConfigError
from fedleak.randomness import seeded
from fedleak.serving.served_model import ServedModel
from fedleak.tasks import initial_weights, task_of, weights_of


def own(*layers):
    with seeded("own"):
        return replace(task_of("digits-mlp"), network=nn.Sequential(*layers))


def convolutions():
    with seeded("convolutions"):
        return own(nn.Conv2d(1, 2, 3, stride=2), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(2, 10))


@pytest.mark.slow
@pytest.mark.skipif(
    secret_sharing.find_spec("mpyc") is None, reason='MPyC is not installed; pip install "fedleak[multiparty]"'
)
@pytest.mark.parametrize(
    ("network", "seed", "options"),
    [
        ("mlp", 0, {"activation": "square"}),
        ("mlp", 1, {"share_model": False}),
        ("convnet", 0, {"parties": 5}),
        ("convnet", 0, {"activation": "square", "linear": 0.0}),
    ],
)
def test_shared_scores_agree_with_the_plain_network_to_a_hundredth(network, seed, options):
    chain = Chain((MPCInference(computed="all", **options),))
    before = task_of("digits-mlp") if network == "mlp" else convolutions()
    weights = initial_weights("digits-mlp", seed) if network == "mlp" else weights_of(before.network)
    weights = type(weights)({name: 5 * value for name, value in weights.parameters.items()}, weights.buffers)
    task, asked = chain.task(before), load("digits-mlp").test.inputs[seed : seed + 1]
    service = ServedModel(task, weights, queries=1, chain=chain)
    answers = service.ask(asked)
    plain = task.logits(weights, asked, mode="eval")
    assert plain.abs().max() > 1.0
    torch.testing.assert_close(answers.log(), plain.log_softmax(1), rtol=0, atol=1e-2)
    cost = service.private.cost
    assert cost.difference < 1e-2
    assert (cost.answers, cost.between > 0) == (1, True)


def test_two_parties_are_refused_as_each_would_hold_the_secret():
    with pytest.raises(ConfigError, match="threshold 0, so that each share is the secret itself"):
        defenses.build("mpc-inference", {"parties": 2})
    with pytest.raises(ConfigError, match="parties: expected"):
        defenses.build("mpc-inference", {"parties": 1})


def test_comparisons_leave_the_network_as_it_is_and_squares_do_not():
    task = task_of("digits-mlp")
    assert Chain((MPCInference(),)).task(task).network is task.network
    assert "Polynomial" in repr(Chain((MPCInference(activation="square"),)).task(task).network)


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        (own(nn.Flatten(), nn.Linear(64, 10), nn.Sigmoid()), {}, 'has Sigmoid; take activation = "square"'),
        (own(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 10)), {}, "no evaluation of MaxPool2d"),
        (task_of("digits-convnet"), {}, "at most 1,048,576 entries, and one of 'digits-convnet' has 2,097,152"),
        (task_of("mnist-convnet"), {"activation": "square"}, "at most 16,384 values in a layer"),
        (task_of("pydoc-gru"), {}, "evaluates layers in a row"),
    ],
)
def test_a_network_that_it_has_no_evaluation_of_is_refused(task, options, words):
    with pytest.raises(ConfigError, match=words):
        Chain((MPCInference(**options),)).task(task)
    Chain((MPCInference(activation="square"),)).task(own(nn.Flatten(), nn.Linear(64, 10), nn.Sigmoid()))


def test_what_needs_to_see_cannot_be_chained_with_it():
    with pytest.raises(ConfigError, match="neither queries nor answers, which 'rounding' acts on"):
        Chain.build(({"use": "mpc-inference"}, {"use": "rounding"}))
    with pytest.raises(ConfigError, match="each compute all answers"):
        Chain.build(({"use": "mpc-inference"}, {"use": "encrypted-inference"}))


def test_it_says_from_how_many_operators_it_hides_what():
    assert "hides queries, answers and model from one operator of 3" in MPCInference().caveat
    assert "2 together read everything" in MPCInference().caveat
    assert "opens masked values alone (under MPyC's security parameter of 30 bits" in MPCInference().caveat
    five = MPCInference(parties=5, share_model=False).caveat
    assert "hides queries from any 2 operators of 5" in five
    assert "each operator has the model" in five
    assert "nothing is hidden from the user" in five

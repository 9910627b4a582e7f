"""Encrypted inference: what is refused, what is told, and that the user has what it would have without."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.contracts.served import Served
from fedleak.data.splits import load
from fedleak.defenses.encrypted_inference import EncryptedInference
from fedleak.errors import ConfigError
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.learning.weights import Weights
from fedleak.randomness import generator, seeded
from fedleak.serving.served_model import ServedModel
from fedleak.tasks import initial_weights, task_of

SMALL = nn.Sequential(
    nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 10)
)


def own(network):
    return replace(task_of("digits-mlp"), network=network)


def trained(task, seed):
    """The weights of a task after some training on digits."""
    with seeded("weights", seed):
        for module in task.network.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    rows = load("digits-mlp").clients[torch.arange(400)]
    training = LocalTraining(batch_size=16, batches=25, epochs=12, learning_rate=0.1, momentum=0.9)
    return train_locally(task, Weights.of(task.network).clone(), rows, training, (seed,))


@pytest.mark.slow
@pytest.mark.parametrize(("network", "seed"), [("mlp", 0), ("mlp", 1), ("convnet", 0), ("convnet", 2)])
def test_encrypted_scores_agree_with_the_plain_network_to_a_hundredth(network, seed):
    pytest.importorskip("tenseal", reason='TenSEAL is not installed; pip install "fedleak[homomorphic]"')
    defense = EncryptedInference()
    task = Chain((defense,)).task(task_of("digits-mlp") if network == "mlp" else own(SMALL))
    weights, asked = trained(task, seed), load("digits-mlp").test.inputs[seed : seed + 1]
    scores, cost = defense.evaluated(task, weights).scores(asked)
    plain = task.logits(weights, asked, mode="eval")
    assert plain.abs().max() > 1.0, "scores of a trained network"
    assert (scores - plain).abs().max() < 1e-2
    assert cost.answers == 1


@pytest.mark.slow
def test_an_attack_by_the_user_guesses_the_same_with_and_without_encryption():
    pytest.importorskip("tenseal", reason='TenSEAL is not installed; pip install "fedleak[homomorphic]"')
    guesses = []
    with seeded("few pixels"):
        network = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.ReLU(), nn.Linear(6, 3))
    for computed in (0, "all"):
        chain = Chain((EncryptedInference(computed=computed),))
        task = chain.task(Task("own", network, (1, 4, 4), 3))
        service = ServedModel(task, Weights.of(network).clone(), queries=14, chain=chain)
        view = Served(task=task, service=service, defense=chain, classes=(0, 2))
        attack = attacks.build("confidence-inversion", {"basis": "cosines", "dimensions": 4})
        guesses.append(attack.run(view, generator("same")))
        assert service.private.cost.answers == (14 if computed else 0)
        assert service.remaining == 0
    plain, encrypted = guesses
    assert plain.failure is None
    torch.testing.assert_close(encrypted.representatives, plain.representatives, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("digits-vit", "evaluates layers in a row"),
        ("pydoc-gru", "evaluates layers in a row"),
        ("mnist-convnet", "at most 8,191 values in a layer, and 'mnist-convnet' has 25,088"),
    ],
)
def test_a_network_that_it_has_no_evaluation_of_is_refused(task, words):
    with pytest.raises(ConfigError, match=words):
        Chain((EncryptedInference(),)).task(task_of(task))


def test_max_pooling_and_deep_networks_are_refused_before_anything_is_trained():
    pooled = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 10))
    deep = nn.Sequential(nn.Flatten(), *[nn.Sequential(nn.Linear(64, 64), nn.ReLU()) for _ in range(11)])
    for network, words in ((pooled, "average pooling"), (deep, "at most 10 activations")):
        with pytest.raises(ConfigError, match=words):
            Chain((EncryptedInference(),)).task(own(network))


def test_batch_normalization_is_folded():
    task = Chain((EncryptedInference(),)).task(task_of("digits-bn-convnet"))
    assert len(EncryptedInference().maps(task, initial_weights("digits-bn-convnet", 0))) == 4


@pytest.mark.parametrize(
    "other",
    [
        {"use": "rounding"}, {"use": "top-confidence"}, {"use": "label-only"}, {"use": "confidence-threshold"},
        {"use": "confidence-noise", "std": 0.1}, {"use": "prada"}, {"use": "query-outliers"},
    ],
)  # fmt: skip
def test_what_needs_to_see_cannot_be_chained_with_it(other):
    for tables in (({"use": "encrypted-inference"}, other), (other, {"use": "encrypted-inference"})):
        with pytest.raises(ConfigError, match=f"neither queries nor answers, which '{other['use']}' acts on"):
            Chain.build(tables)


def test_counting_needs_no_sight_and_noise_in_training_neither():
    tables = ({"use": "dp-sgd", "max_norm": 1.0, "noise_multiplier": 1.0}, {"use": "encrypted-inference"},
              {"use": "rate-limit", "answers": 5, "per": "all"})  # fmt: skip
    chain = Chain.build(tables)
    assert chain.hiding == EncryptedInference()
    assert chain.most_answers(1.0) == 5
    with pytest.raises(ConfigError, match="put 'encrypted-inference' behind it"):
        Chain.build(({"use": "encrypted-inference"}, {"use": "dropout"}))
    with pytest.raises(ConfigError, match="keep one"):
        Chain.build(({"use": "encrypted-inference"}, {"use": "encrypted-inference", "computed": 0}))


def test_it_says_what_it_hides_from_whom_and_how_much_is_really_computed():
    words = EncryptedInference().caveat
    assert "nothing from the user, who decrypts every confidence" in words
    assert "can refuse, round or detect nothing but count requests" in words
    assert "the first 10 are really computed so" in words
    assert "each answer" in EncryptedInference(computed="all").caveat
    assert "nothing is really computed so" in EncryptedInference(computed=0).caveat
    assert "answers" in EncryptedInference.acts_on
    assert attacks.build("confidence-inversion", {}).accounts_for(Chain((EncryptedInference(),)))


def test_values_of_its_options_that_there_are_not_are_one_sentence():
    for options in ({"computed": -1}, {"computed": "some"}, {"scale_bits": 10}, {"curvature": 0.0}):
        with pytest.raises(ConfigError, match=f"{next(iter(options))}: expected"):
            defenses.build("encrypted-inference", options)

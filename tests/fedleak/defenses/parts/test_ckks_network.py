"""Under CKKS: the operator has no secret key, ciphertexts say nothing to another key, and numbers come out right."""

import sys

import numpy as np
import pytest
import torch

from fedleak.defenses.parts.ckks_network import (
    SECURE_BITS,
    EncryptedEvaluation,
    Operator,
    Ring,
    User,
    levels_of,
    ring_for,
    tenseal,
    with_one,
)
from fedleak.defenses.parts.network_steps import Affine
from fedleak.errors import ConfigError, FedleakError

RING = Ring.of(levels_of(1), 35)
DICE = np.random.default_rng(0)
MAPS = [Affine(DICE.normal(size=(4, 5)), DICE.normal(size=4)), Affine(DICE.normal(size=(2, 4)), DICE.normal(size=2))]


def plain(values):
    first, second = MAPS
    return second.weight @ (first.weight @ values + first.bias) ** 2 + second.bias


@pytest.fixture(scope="module")
def sides():
    pytest.importorskip("tenseal", reason='TenSEAL is not installed; pip install "fedleak[homomorphic]"')
    user = User("it", RING)
    return user, Operator("it", user.public(), MAPS)


pytestmark = pytest.mark.slow  # keys alone take a second


def test_scores_come_out_right_and_the_operator_has_no_secret_key(sides):
    user, operator = sides
    assert not operator.can_decrypt
    for _ in range(2):
        values = DICE.random(5)
        assert user.decrypted(operator.answer(user.encrypted(values))) == pytest.approx(plain(values), abs=1e-3)


def test_the_same_input_is_another_ciphertext_and_another_key_reads_nothing(sides):
    user, operator = sides
    values = np.full(5, 0.5)
    question, again = user.encrypted(values), user.encrypted(values)
    assert question != again
    answer = operator.answer(question)
    assert np.abs(User("it", RING).decrypted(answer) - plain(values)).max() > 1e3


def test_what_is_no_ciphertext_is_a_sentence(sides):
    with pytest.raises(FedleakError, match="no ciphertext that can be evaluated"):
        sides[1].answer(b"tea")


def test_costs_are_those_of_bytes_that_cross(sides):
    evaluation = EncryptedEvaluation("it", MAPS, RING)
    inputs = torch.rand(2, 1, 5)
    scores, cost = evaluation.scores(inputs)
    assert scores[1].numpy() == pytest.approx(plain(inputs[1, 0].double().numpy()), abs=1e-3)
    assert (cost.answers, cost.between) == (2, 0)
    assert cost.once > 50 * cost.uploaded > 50 * cost.downloaded > 0
    assert evaluation.scores(inputs[:1])[1].once == 0, "keys are sent once"


@pytest.mark.parametrize("activations", range(11))
def test_a_ring_has_room_for_all_products_at_128_bits(activations):
    ring = ring_for("own", "it", activations, 35)
    assert sum(ring.primes) <= SECURE_BITS[ring.degree]
    assert len(ring.primes) == levels_of(activations) + 2
    assert ring.degree == (8192 if activations < 2 else 16384 if activations < 5 else 32768)
    assert max(ring.primes) == ring.primes[-1] <= 60


def test_what_is_too_deep_is_refused():
    with pytest.raises(ConfigError, match="at most 10 activations at scale_bits = 35, and 'own' has 11"):
        ring_for("own", "it", 11, 35)
    assert ring_for("own", "it", 11, 30)


def test_a_bias_is_a_column_and_the_last_map_leaves_no_one():
    first, last = (with_one(one, last=place == 1) for place, one in enumerate(MAPS))
    values = np.append(DICE.random(5), 1.0)
    assert (first @ values)[-1] == 1.0
    assert last @ (first @ values) ** 2 == pytest.approx(plain(values[:-1]))


def test_without_tenseal_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tenseal", None)
    with pytest.raises(ConfigError, match=r'it needs TenSEAL.*pip install "fedleak\[homomorphic\]"'):
        tenseal("it")

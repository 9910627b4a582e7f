"""An attacker who takes no notice of defenses."""

from dataclasses import replace

import torch

from fedleak.attacks.wrappers.plain import unaware
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.randomness import generator

SPARSE = Chain((defenses.build("top-k", {"fraction": 0.2}),))
SHORT = {"use": "inverting-gradients", "steps": 5}


def test_it_does_what_the_attack_does_where_there_is_no_defense(linear_task, observe, batch_of):
    seen = observe(linear_task, batch_of(linear_task, 1))
    one = attacks.from_table(SHORT).run(seen, generator(0))
    other = attacks.build("plain", {"attack": SHORT}).run(seen, generator(0))
    assert torch.equal(one.inputs, other.inputs)


def test_a_defense_makes_a_difference_to_the_attack_and_none_to_it(linear_task, observe, batch_of):
    seen = observe(linear_task, batch_of(linear_task, 1))
    seen = replace(seen, update=SPARSE.protect(seen.update, generator(0)))
    told = replace(seen, defense=SPARSE)
    plain = attacks.build("plain", {"attack": SHORT})
    ignorant = [plain.run(one, generator(0)).inputs for one in (seen, told)]
    knowing = attacks.from_table(SHORT).run(told, generator(0)).inputs
    assert torch.equal(*ignorant)
    assert not torch.equal(knowing, ignorant[0])


def test_it_overlooks_the_defenses_of_other_messages_too(linear_task, observe, batch_of):
    seen = replace(observe(linear_task, batch_of(linear_task, 1)), defense=SPARSE)
    assert all(one.defense == Chain() for one in unaware(replace(seen, others=(seen,))).others)


def test_it_overlooks_them_behind_a_model_and_a_service(linear_task, release, serve):
    earlier = release(linear_task, defense=SPARSE)
    model = unaware(release(linear_task, defense=SPARSE, earlier=(earlier,)))
    assert model.defense == model.earlier[0].defense == Chain()
    assert unaware(serve(linear_task, 3, defense=SPARSE)).defense == Chain()


def test_it_adapts_to_nothing():
    assert attacks.from_table(SHORT).adapts_to(SPARSE)
    assert attacks.build("best-of", {"attack": SHORT}).adapts_to(SPARSE)
    assert not attacks.build("plain", {"attack": SHORT}).adapts_to(SPARSE)
    assert not attacks.build("bias-sign", {}).adapts_to(SPARSE)

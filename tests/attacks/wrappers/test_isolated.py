"""One client out of a sum: as good a guess as of a message of its own, and a reason where there is none."""

from dataclasses import replace

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.contracts.manipulation import Isolation
from fedleak.contracts.subject import Subject
from fedleak.randomness import generator

EXACT = {"use": "analytic-linear"}


def of_victim(own, hidden=("3.bias",)):
    """The mean over two clients of which the other says nothing but in what is hidden."""
    halved = {name: value / 2 + (0.3 if name in hidden else 0.0) for name, value in own.update.tensors.items()}
    trusted = {name: torch.full_like(value, name not in hidden) for name, value in halved.items()}
    return replace(
        own, update=replace(own.update, tensors=halved), cohort=(0, 1), num_examples=2 * own.num_examples,
        isolation=Isolation(victim=1, trusted=trusted),
    )  # fmt: skip


@pytest.mark.parametrize("inner", [EXACT, {"use": "inverting-gradients", "steps": 60}])
def test_the_guess_is_that_of_a_message_of_its_own(linear_task, observe, batch_of, inner):
    batch = batch_of(linear_task, 1)
    own = observe(linear_task, batch)
    guess = attacks.build("isolated", {"attack": inner}).run(of_victim(own), generator(0))
    alone = attacks.from_table(inner).run(own, generator(0))
    assert guess.labels.tolist() == batch.labels.tolist()
    assert (guess.inputs - alone.inputs).abs().mean() < 1e-3
    assert guess.note.startswith("client 1 alone, out of a sum over 2")


def test_of_a_canary_the_rows_that_are_trusted_give_the_input(linear_task, observe, batch_of):
    batch = batch_of(linear_task, 1)
    own = observe(linear_task, batch)
    seen = of_victim(own)
    rows = own.update.tensors["1.bias"].abs().topk(2).indices
    canary = {name: torch.zeros_like(value) for name, value in seen.isolation.trusted.items()}
    for name in ("1.weight", "1.bias"):
        canary[name][rows] = 1.0
    mixed = {name: value + 0.2 * (1 - canary[name]) for name, value in seen.update.tensors.items()}
    seen = replace(seen, update=replace(seen.update, tensors=mixed), isolation=replace(seen.isolation, trusted=canary))
    guess = attacks.build("isolated", {"attack": EXACT}).run(seen, generator(0))
    assert (guess.inputs - batch.inputs).abs().max() < 1e-3


def test_without_an_isolation_or_under_masks_there_is_nobody_alone(linear_task, observe, batch_of):
    own, attack = observe(linear_task, batch_of(linear_task, 1)), attacks.build("isolated", {"attack": EXACT})
    summed = replace(of_victim(own), isolation=None)
    assert "nothing in this message is of one client alone" in attack.run(summed, generator(0)).failure
    assert "under its masks" in attack.run(replace(of_victim(own), masked=True), generator(0)).failure


def test_a_message_of_one_client_is_attacked_as_it_is(linear_task, observe, batch_of):
    own = observe(linear_task, batch_of(linear_task, 1))
    guess = attacks.build("isolated", {"attack": EXACT}).run(own, generator(0))
    assert torch.equal(guess.inputs, attacks.from_table(EXACT).run(own, generator(0)).inputs)


def test_it_says_whether_it_knows_how_many_examples_the_client_has(linear_task, observe, batch_of):
    seen = of_victim(observe(linear_task, batch_of(linear_task, 1)))
    attack = attacks.build("isolated", {"attack": EXACT})
    assert attack.subject(seen) == Subject(client=1, counted=False)
    told = replace(seen, isolation=replace(seen.isolation, examples=1))
    assert attack.subject(told) == Subject(client=1)
    hidden = replace(seen, training=seen.training.hiding(("batches",)))
    assert "not known and taken for 1" in attack.run(hidden, generator(0)).note
    assert "not known" not in attack.run(told, generator(0)).note


def test_it_guesses_what_its_attack_does_and_reads_the_manipulation():
    attack = attacks.build("isolated", {"attack": {"use": "update-cosine"}})
    assert attack.targets == {"membership"}
    assert attack.requires == {"candidates"}
    assert "inconsistency" in attack.reads
    assert attack.adapts_to(Chain((defenses.build("secure-aggregation", {}),)))
    assert not attack.adapts_to(Chain((defenses.build("top-k", {"fraction": 0.2}),)))

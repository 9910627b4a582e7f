"""The examples of one class out of a batch: as good a guess as of a message of their own, and a reason where none."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.contracts.manipulation import Manipulation
from fedleak.contracts.subject import Subject
from fedleak.learning.batch import Batch
from fedleak.randomness import generator

EXACT = {"use": "analytic-linear"}
TARGET = 1


@dataclass(frozen=True, kw_only=True)
class Fishing(Manipulation):
    """As the server's: attacks know it by its name and options alone."""

    deed: ClassVar = "fishes"
    takes: ClassVar = "nothing"
    name = "fishing"
    target_class: int = TARGET


@dataclass(frozen=True, kw_only=True)
class Wrapper(Manipulation):
    """A manipulation that does what another does, in its own way."""

    deed: ClassVar = "wraps"
    takes: ClassVar = "nothing"
    name = "wrapper"
    manipulation: Manipulation


@pytest.fixture
def fish(linear_task, observe, batch_of):
    """What is seen of such a batch, whose head was crafted, with `batch_of` for its images."""

    def seen(labels):
        with torch.no_grad():
            head = linear_task.network[3]
            row, bias = head.weight[TARGET].clone(), float(head.bias[TARGET])
            head.weight.zero_()
            head.bias.fill_(1000.0)
            head.weight[TARGET], head.bias[TARGET] = row, bias
        batch = Batch(batch_of(linear_task, len(labels)).inputs, torch.tensor(labels))
        return replace(observe(linear_task, batch), manipulations=(Fishing(),)), batch

    return seen


@pytest.mark.parametrize("inner", [EXACT, {"use": "inverting-gradients", "steps": 60}])
def test_the_guess_is_that_of_a_message_of_its_own(linear_task, observe, fish, inner):
    seen, batch = fish([0, 3, TARGET, 2, 0, 3])
    guess = attacks.build("fished", {"attack": inner}).run(seen, generator(0))
    own = observe(linear_task, batch[torch.tensor([2])])
    alone = attacks.from_table(inner).run(own, generator(0))
    assert guess.labels.tolist() == [TARGET]
    assert (guess.inputs - alone.inputs).abs().mean() < 2e-3
    assert guess.note.startswith("1 of class 1 among 6")


def test_there_is_a_reason_where_nobody_has_the_class_or_nobody_fished(fish):
    seen, _ = fish([0, 3, 2])
    attack = attacks.build("fished", {"attack": EXACT})
    assert "nobody has an example of class 1" in attack.run(seen, generator(0)).failure
    assert "fished for nothing" in attack.run(replace(seen, manipulations=()), generator(0)).failure
    assert "under its masks" in attack.run(replace(seen, masked=True), generator(0)).failure
    several = replace(seen, training=replace(seen.training, epochs=2))
    assert "one local step" in attack.run(several, generator(0)).failure


def test_it_says_whose_examples_it_guesses_at_and_what_it_reads(fish):
    seen, _ = fish([0, TARGET])
    attack = attacks.build("fished", {"attack": EXACT})
    assert attack.subject(seen) == Subject(label=TARGET)
    wrapped = replace(seen, manipulations=(Wrapper(manipulation=Fishing()),))
    assert attack.subject(wrapped) == Subject(label=TARGET)
    assert attacks.build("best-of", {"attack": {"use": "fished", "attack": EXACT}}).subject(seen) == Subject(label=1)
    assert attack.subject(replace(seen, manipulations=())) is None
    assert "fishing" in attack.reads
    assert attack.targets == {"inputs", "labels"}
    assert attack.adapts_to(Chain((defenses.build("secure-aggregation", {}),)))

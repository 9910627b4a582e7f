"""Gap on a service: labels alone are enough for it."""

import torch

from fedleak.contracts.attack import attacks
from fedleak.randomness import generator


def guess(view, name="served-gap"):
    return attacks.build(name, {}).run(view, generator(0)).membership


def test_labels_alone_tell_as_much_as_the_weights(overfit, serve, release):
    task, candidates = overfit

    def label(said):
        return torch.nn.functional.one_hot(said.argmax(1), 4).float()

    wanted = guess(release(task, candidates=candidates), "gap")
    assert torch.equal(guess(serve(task, 100, label, candidates=candidates)), wanted)


def test_where_nothing_is_answered_all_are_alike(overfit, serve):
    task, candidates = overfit
    found = guess(serve(task, 100, lambda said: torch.full_like(said, torch.nan), candidates=candidates))
    assert len(found.unique()) == 1

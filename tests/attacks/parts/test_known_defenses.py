"""Entries that say nothing: zeros, of which attacks are told; and chains that a readout takes into account."""

import pytest
import torch

from fedleak.attacks.parts.classifier_head.gradient import head_gradient
from fedleak.attacks.parts.engine.defense_aware import adapted
from fedleak.attacks.parts.engine.distances import squared
from fedleak.attacks.parts.known_defenses import accounted, is_hidden, with_hidden
from fedleak.contracts.chain import Chain
from fedleak.settings.base import Table

HIDDEN = "3.bias"


def shown(observation, *hidden):
    return {name: torch.full_like(value, name not in hidden) for name, value in observation.update.tensors.items()}


def test_where_all_counts_nothing_is_changed(linear_task, observe, batch_of):
    seen = observe(linear_task, batch_of(linear_task, 1))
    assert with_hidden(seen, shown(seen)) is seen
    assert not is_hidden(seen, HIDDEN)


def test_what_is_hidden_is_zero_and_does_not_count_in_a_distance(linear_task, observe, batch_of):
    seen = observe(linear_task, batch_of(linear_task, 1))
    partly = with_hidden(seen, shown(seen, HIDDEN))
    assert is_hidden(partly, HIDDEN)
    assert not is_hidden(partly, "3.weight")
    assert not partly.update.tensors[HIDDEN].any()
    assert seen.update.tensors[HIDDEN].any()
    gradient = list(seen.gradient().values())
    distance = adapted(partly, squared)(list(partly.gradient().values()))
    assert distance(gradient) < 1e-12
    assert distance([*gradient[:-1], gradient[-1] + 1]) < 1e-12
    assert distance([gradient[0] + 1, *gradient[1:]]) > 0.1


def test_a_hidden_bias_is_as_none_to_label_rules(linear_task, observe, batch_of):
    seen = observe(linear_task, batch_of(linear_task, 2))
    assert head_gradient(seen).bias is not None
    assert head_gradient(with_hidden(seen, shown(seen, HIDDEN))).bias is None


NOISE, SUM = {"use": "gaussian-noise", "std": 1e-3}, {"use": "secure-aggregation"}
CLIPPED, LARGEST = {"use": "clipping", "max_norm": 1.0}, {"use": "top-k", "fraction": 0.1}


@pytest.mark.parametrize(
    ("chain", "known"),
    [
        ([], False),
        ([SUM], True),
        ([CLIPPED, NOISE, SUM], True),
        ([LARGEST], True),
        ([{"use": "dp-sgd"}], True),
        ([{"use": "more-local-steps"}], True),
        ([{"use": "sign-sgd"}, SUM], False),
        ([NOISE, {"use": "mixup"}], False),
        ([{"use": "precode"}], False),
    ],
)
def test_all_that_clients_do_by_themselves_has_to_be_known(chain: list[Table], known: bool) -> None:
    assert accounted(Chain.build(tuple(chain))) is known


def test_whoever_measures_the_noise_takes_any_change_of_an_update_into_account() -> None:
    assert accounted(Chain.build(({"use": "eight-bit"},)), measured=True)
    assert not accounted(Chain.build(({"use": "mixup"},)), measured=True)

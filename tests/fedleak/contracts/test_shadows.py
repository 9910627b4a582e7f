"""Shadow models under defenses: those that can be stacked are trained under, the others are named."""

import pytest

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.contracts.shadows import left_out_of_shadows, stacked_defenses
from fedleak.learning.stacked_defense import StackedDefense


def chain(*tables: dict[str, object]) -> Chain:
    return Chain.build(tables)


DP = {"use": "dp-sgd", "max_norm": 2.0, "noise_multiplier": 1.5}


def test_what_shadows_can_be_trained_under_comes_in_order() -> None:
    both = chain(DP, {"use": "clipping", "max_norm": 0.5}, {"use": "gaussian-noise", "std": 0.1})
    assert stacked_defenses(both) == (
        StackedDefense(example_norm=2.0, example_noise=3.0),
        StackedDefense(update_norm=0.5),
        StackedDefense(update_noise=0.1),
    )
    assert left_out_of_shadows(both) is None


def test_what_they_cannot_is_named_and_the_rest_is_done() -> None:
    some = chain(DP, {"use": "top-k", "fraction": 0.1}, {"use": "sign-sgd"})
    assert stacked_defenses(some) == stacked_defenses(chain(DP))
    words = "shadow models were trained without 'top-k' and 'sign-sgd', which the observed model was trained under"
    assert left_out_of_shadows(some) == words


@pytest.mark.parametrize(
    "table",
    [{"use": "label-only"}, {"use": "rounding", "digits": 1}, {"use": "group-norm"}, {"use": "secure-aggregation"}],
)
def test_what_leaves_training_or_the_sum_as_it_is_is_no_loss(table) -> None:
    assert stacked_defenses(chain(table)) == ()
    assert left_out_of_shadows(chain(table)) is None


def test_noise_of_an_epsilon_is_known_in_a_run_alone() -> None:
    """What a run records is planned; by hand it may not be."""
    asked = chain({"use": "dp-sgd", "epsilon": 4.0, "delta": 1e-3})
    assert "without 'dp-sgd'" in (left_out_of_shadows(asked) or "")


@pytest.mark.parametrize("name", ["central-dp", "pate", "mixup", "adversarial-training", "rappor", "withhold"])
def test_no_defense_of_training_is_passed_over_in_silence(name: str) -> None:
    cls = defenses.get(name)
    bare = object.__new__(cls)
    assert bare.stacked is None

"""Laws of epsilons under each relation; dp-accounting says the same of the same samples, or less."""

import math

import pytest
from dp_accounting import GaussianDpEvent, NeighboringRelation, PoissonSampledDpEvent
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant
from hypothesis import given, settings
from hypothesis import strategies as st

from fedleak.accounting.relations import RELATIONS, Noised, Relation, accounted, apart
from fedleak.accounting.sampling import Poisson, Sample, Sampling, Shuffled

SAMPLERS: tuple[Sampling, ...] = (None, Poisson(rate=0.05), Sample(size=5, population=100), Shuffled())
noises = st.floats(0.01, 20)


def epsilon(noise: float, relation: Relation, sampling: Sampling = None, count: int = 1, delta: float = 1e-5) -> float:
    part = Noised(noise_multiplier=noise, sampling=sampling, count=count)
    return accounted([part], delta, relation).epsilon


@given(noises, st.integers(1, 100))
@settings(max_examples=50)
def test_replaced_is_zeroed_out_at_twice_the_distance(noise: float, count: int) -> None:
    assert epsilon(2 * noise, "replace-one", count=count) == pytest.approx(epsilon(noise, "zero-out", count=count))


@given(noises, st.integers(1, 100), st.floats(1e-8, 1e-2))
@settings(max_examples=15, deadline=None)
def test_unsampled_it_is_what_dp_accounting_reckons_with_losses(noise: float, count: int, delta: float) -> None:
    ours = epsilon(noise, "add-or-remove", count=count, delta=delta)
    moments = RdpAccountant(neighboring_relation=NeighboringRelation.ADD_OR_REMOVE_ONE)
    assert ours <= moments.compose(GaussianDpEvent(noise), count).get_epsilon(delta) * (1 + 1e-9)
    if 0.01 < ours < 20:
        exact = (
            PLDAccountant(value_discretization_interval=1e-3).compose(GaussianDpEvent(noise), count).get_epsilon(delta)
        )
        assert ours == pytest.approx(exact, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("sampling", SAMPLERS)
def test_more_releases_and_less_noise_never_cost_less(relation: Relation, sampling: Sampling) -> None:
    few = epsilon(1.0, relation, sampling, count=2)
    assert few <= epsilon(1.0, relation, sampling, count=4)
    assert few <= epsilon(0.7, relation, sampling, count=2)
    assert 0 < few < math.inf


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("sampling", SAMPLERS)
def test_credit_never_costs(relation: Relation, sampling: Sampling) -> None:
    noise = 1.0 / apart(sampling, relation)
    assert epsilon(1.0, relation, sampling) <= epsilon(noise, "zero-out") * (1 + 1e-9)


def test_poisson_samples_are_reckoned_as_dp_accounting_does() -> None:
    event = PoissonSampledDpEvent(0.05, GaussianDpEvent(1.1))
    for relation, theirs in (
        ("add-or-remove", NeighboringRelation.ADD_OR_REMOVE_ONE),
        ("zero-out", NeighboringRelation.REPLACE_SPECIAL),
    ):
        tight = PLDAccountant(theirs, value_discretization_interval=1e-3).compose(event, 100).get_epsilon(1e-5)
        assert epsilon(1.1, relation, Poisson(rate=0.05), 100) == pytest.approx(tight, rel=3e-3)  # type: ignore[arg-type]


def test_replacement_under_poisson_samples_attains_more_than_removal_and_less_than_none_sampled() -> None:
    poisson = Poisson(rate=0.05)
    removed, replaced = epsilon(1.1, "add-or-remove", poisson, 100), epsilon(1.1, "replace-one", poisson, 100)
    assert 2 * removed < replaced < epsilon(1.1, "replace-one", None, 100)
    # Two neighbors that attain it at least: -C or C with chance q, on noise.
    accountant = PLDAccountant(NeighboringRelation.REPLACE_SPECIAL, value_discretization_interval=1e-3)
    mixture = accountant.compose(PoissonSampledDpEvent(0.05, GaussianDpEvent(1.1)), 100)
    assert replaced > mixture.get_epsilon(1e-5)


def test_a_rate_of_one_samples_nothing() -> None:
    all_in = epsilon(1.0, "zero-out", Poisson(rate=1.0), 10)
    assert all_in == pytest.approx(epsilon(1.0, "zero-out", count=10), rel=1e-3)


def test_no_theorem_no_credit_and_the_reason_said() -> None:
    parts = [Noised(noise_multiplier=1.0, sampling=Shuffled(), count=3)]
    found = accounted(parts, 1e-5, "zero-out")
    assert not found.credit
    assert "shuffled" in found.note
    assert (
        "another in its place"
        in accounted([Noised(noise_multiplier=1.0, sampling=Sample(size=1, population=9))], 1e-5, "add-or-remove").note
    )


def test_without_noise_it_is_infinite() -> None:
    assert all(math.isinf(epsilon(0.0, relation)) for relation in RELATIONS)


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("sampling", SAMPLERS)
def test_no_release_and_endless_noise_cost_nothing(relation: Relation, sampling: Sampling) -> None:
    assert epsilon(1.0, relation, sampling, count=0) == 0
    assert epsilon(math.inf, relation, sampling) == 0
    both = [Noised(noise_multiplier=1.0), Noised(noise_multiplier=math.inf, sampling=sampling)]
    assert accounted(both, 1e-5, relation).epsilon == epsilon(1.0, relation)

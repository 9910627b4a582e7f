"""Laws of Poisson batches: drawn in two parts, they are those that Opacus draws."""

from collections import Counter

import pytest
import torch
from opacus.utils.uniform_sampler import UniformWithReplacementSampler
from scipy.stats import chi2_contingency, chisquare

from fedleak.learning.facts import LocalTraining
from fedleak.learning.poisson import expected_examples, poisson_batches, reported_examples, taken_at_all
from fedleak.learning.training import batch_order, steps_in
from fedleak.randomness import generator

ROUNDS = 2500


def facts(rate: float, batches: int, epochs: int = 1, size: int = 1, accumulation: int = 1) -> LocalTraining:
    return LocalTraining(batch_size=size, batches=batches, epochs=epochs, sampling_rate=rate, accumulation=accumulation)


def drawn(held: int, training: LocalTraining) -> Counter[tuple[tuple[int, ...], ...]]:
    """How often each set of batches comes, as a client draws them: who is taken at all, then who is in which."""
    first, second, counts = generator("examples"), generator("order"), Counter[tuple[tuple[int, ...], ...]]()
    for _ in range(ROUNDS):
        taken = taken_at_all(held, training, first)
        batches = poisson_batches(len(taken), training, second)
        counts[tuple(tuple(taken[places].tolist()) for places in batches)] += 1
    return counts


@pytest.mark.slow
@pytest.mark.parametrize(("held", "rate", "steps"), [(2, 0.3, 2), (3, 0.5, 2), (2, 0.1, 4)])
def test_the_joint_law_of_all_batches_is_that_of_opacus(held: int, rate: float, steps: int) -> None:
    training = facts(rate, steps)
    ours = drawn(held, training)
    sampler = UniformWithReplacementSampler(
        num_samples=held, sample_rate=rate, generator=generator("opacus"), steps=steps * ROUNDS
    )
    batches = [tuple(batch) for batch in sampler]
    theirs = Counter(tuple(batches[place : place + steps]) for place in range(0, len(batches), steps))
    common = [one for one in {*ours, *theirs} if ours[one] + theirs[one] >= 20]
    rest = [ROUNDS - sum(counts[one] for one in common) for counts in (ours, theirs)]
    table = [[*(counts[one] for one in common), other] for counts, other in zip((ours, theirs), rest, strict=True)]
    columns = [column for column in zip(*table, strict=True) if sum(column)]
    assert len(columns) > 10
    assert chi2_contingency(list(zip(*columns, strict=True))).pvalue > 1e-3


def test_each_set_of_batches_is_as_likely_as_coins_make_it() -> None:
    """Of one example and three steps all eight cases are counted."""
    rate, training = 0.25, facts(0.25, 3)
    counts = {tuple(map(len, batches)): count for batches, count in drawn(1, training).items()}
    cases = [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    expected = [ROUNDS * rate ** sum(case) * (1 - rate) ** (3 - sum(case)) for case in cases]
    assert chisquare([counts[case] for case in cases], expected).pvalue > 1e-3


def test_all_that_were_taken_are_in_a_batch_at_any_rate() -> None:
    for rate, steps in ((1e-6, 3), (0.2, 5), (1.0, 2)):
        batches = poisson_batches(50, facts(rate, steps), generator(rate))
        assert len(batches) == steps
        assert torch.cat(batches).unique().numel() == 50
    assert all(len(batch) == 50 for batch in batches)  # at a rate of one all of them
    assert len(taken_at_all(50, facts(1.0, 1), generator(0))) == 50


def test_steps_are_as_many_as_were_asked_for_whoever_is_taken() -> None:
    training = facts(0.2, 3, epochs=2, accumulation=2)
    for examples in (0, 1, 7):
        order = list(batch_order(examples, training, generator(examples)))
        assert len(order) == steps_in(examples, training) == 4
        assert [len(step) for step in order] == [2, 1, 2, 1]
        assert {place for step in order for batch in step for place in batch.tolist()} == set(range(examples))


def test_what_is_reported_goes_by_public_facts_alone() -> None:
    training = facts(0.1, 3, size=5)  # of a share of 50
    assert expected_examples(training) == round(50 * (1 - 0.9**3))
    assert {reported_examples(held, training) for held in (0, 3, 50)} == {expected_examples(training)}
    assert reported_examples(7, LocalTraining()) == 7
    assert expected_examples(facts(0.1, 1, size=5)) == 5

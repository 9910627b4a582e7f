"""PRADA is the paper's algorithm, and blocks who asks too regularly and nobody else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import shapiro

from fedleak.contracts.traffic import Asked, Traffic
from fedleak.data.splits import load
from fedleak.defenses.parts import nearest_distances
from fedleak.defenses.prada import Prada
from fedleak.randomness import generator


def request(inputs, labels):
    said = torch.eye(10)[labels]
    nothing = Traffic(inputs=inputs[:0], probabilities=said[:0], admitted=torch.ones(0, dtype=torch.bool))
    return Asked(inputs=inputs, probabilities=said, history=nothing, benign=inputs[:0])


def by_the_paper(inputs, labels):
    """Algorithm 1, as it is written, without any care for time; but distances that are all the same are an attack."""
    kept, gaps, usual, distances, scores = {}, {}, {}, [], []
    for row, label in zip(inputs.flatten(1).double().numpy(), labels.tolist(), strict=True):
        if label not in kept:
            kept[label], gaps[label], usual[label] = [row], [0.0], 0.0
        else:
            nearest = min(float(np.linalg.norm(row - other)) for other in kept[label])
            distances.append(nearest)
            if nearest > usual[label]:
                kept[label].append(row)
                gaps[label].append(nearest)
                usual[label] = max(usual[label], np.mean(gaps[label]) - np.std(gaps[label]))
        found = np.array(distances)
        if len(found) > 100:
            found = found[abs(found - found.mean()) <= 3 * found.std()]
            scores.append(1 - shapiro(found).statistic if np.ptp(found) else 1.0)
        else:
            scores.append(0.0)
    return scores


@pytest.fixture(scope="module")
def digits():
    batch = load("digits-mlp").test
    return batch.inputs, batch.labels


def walk(inputs, labels, count):
    """Small steps from one example: what a search by differences asks."""
    steps = 0.02 * torch.randn(count, *inputs.shape[1:], generator=generator("steps"))
    steps[::2] *= 20  # every second question is a new place
    return inputs[:1] + steps, labels[:1].repeat(count)


def test_scores_are_those_of_the_paper(digits):
    inputs, labels = digits[0][:150], digits[1][:150]
    scores = Prada().score(request(inputs, labels))
    assert torch.allclose(scores, torch.tensor(by_the_paper(inputs, labels)).float(), atol=1e-4)
    assert scores[:100].eq(0).all()
    assert scores[-1] > 0


def rows_of_few_values(digits):
    """Rows of a table: many are asked again, and most are as far from the nearest as others are."""
    inputs = torch.randint(0, 2, (170, 7), generator=generator("rows")).float()
    return inputs, torch.randint(0, 2, (170,), generator=generator("classes"))


def near_copies(digits):
    """So near that their products hardly differ."""
    inputs = digits[0][:2].repeat(80, 1, 1, 1)
    return inputs + 1e-6 * torch.randn(inputs.shape, generator=generator("copies")), digits[1][:2].repeat(80)


LOGS = {
    "users": lambda digits: (digits[0][:200], digits[1][:200]),
    "search": lambda digits: walk(*digits, 160),
    "same": lambda digits: (digits[0][:1].repeat(120, 1, 1, 1), digits[1][:1].repeat(120)),
    "twice": lambda digits: (digits[0][:90].repeat(2, 1, 1, 1), digits[1][:90].repeat(2)),
    "rows": rows_of_few_values,
    "copies": near_copies,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("threshold", [0.9, 0.95, 0.98])
def test_it_blocks_at_the_query_at_which_the_paper_does(digits, name, threshold):
    inputs, labels = LOGS[name](digits)
    blocked = torch.tensor(by_the_paper(inputs, labels)).cummax(0).values > 1 - threshold
    assert torch.equal(~Prada(threshold=threshold).admits(request(inputs, labels)), blocked)


def test_the_same_inputs_that_another_version_of_the_model_tells_apart_are_judged_anew(digits):
    inputs, labels = walk(*digits, 160)
    first, other = request(inputs, labels), request(inputs, torch.arange(160) % 10)
    derived = first.history.derived
    Prada().score(first)
    again = replace(other, history=replace(other.history, derived=derived))
    assert torch.equal(Prada().score(again), Prada().score(request(inputs, torch.arange(160) % 10)))
    assert not torch.equal(Prada().score(again), Prada().score(request(inputs, labels)))


def test_past_a_length_the_last_test_holds_until_there_is_a_hundredth_more(digits, monkeypatch):
    monkeypatch.setattr(nearest_distances, "EACH", 104)
    monkeypatch.setattr(nearest_distances, "GROWTH", 1.25)
    inputs, labels = digits[0][:150], torch.zeros(150, dtype=torch.int64)
    asked = request(inputs, labels)
    scores, exact = Prada().score(asked), torch.tensor(by_the_paper(inputs, labels)).float()
    held = exact.clone()  # of one class, so that at place n there are n distances
    held[105:130], held[130:] = exact[104], exact[130]
    assert torch.allclose(scores, held, atol=1e-4)
    assert not torch.allclose(held, exact, atol=1e-4)
    for length in (104, 120, 131):
        assert torch.equal(Prada().score(request(inputs[:length], labels[:length])), scores[:length])


def test_users_pass_and_a_search_is_blocked_for_good(digits):
    assert Prada(threshold=0.9).admits(request(*digits)).all()
    inputs, labels = walk(*digits, 300)
    inputs, labels = torch.cat([inputs, digits[0]]), torch.cat([labels, digits[1]])
    admitted = Prada(threshold=0.9).admits(request(inputs, labels))
    first = int((~admitted).int().argmax())
    assert 100 < first < 300
    assert not admitted[first:].any(), "whatever is asked later"


def test_the_same_input_again_and_again_is_no_usual_traffic(digits):
    same = digits[0][:1].repeat(110, 1, 1, 1)
    admitted = Prada().admits(request(same, torch.zeros(110, dtype=torch.int64)))
    assert admitted.tolist() == [place < 101 for place in range(110)]


def test_a_threshold_of_nothing_blocks_nobody(digits):
    assert Prada(threshold=0.0).admits(request(*walk(*digits, 200))).all()

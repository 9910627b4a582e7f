"""Private answers: which are really computed, what is noted of them, and that a wrong one is no answer."""

import math
from dataclasses import dataclass

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import Defense
from fedleak.contracts.private_inference import Cost, PrivateEvaluation
from fedleak.errors import FedleakError
from fedleak.randomness import generator
from fedleak.serving.log import read_log, write_log
from fedleak.serving.served_model import ServedModel
from fedleak.tasks import initial_weights, task_of

TASK = task_of("digits-mlp")
WEIGHTS = initial_weights("digits-mlp", 0)
INPUTS = torch.rand(12, *TASK.shape, generator=generator(1))


class Off(PrivateEvaluation):
    """The plain network's scores, off by a little."""

    def __init__(self, task, weights, by):
        self.task, self.weights, self.by, self.once = task, weights, by, 1000

    def scores(self, inputs):
        cost = Cost(answers=len(inputs), seconds=0.5, uploaded=10 * len(inputs), downloaded=3, once=self.once)
        self.once = 0
        return self.task.logits(self.weights, inputs, mode="eval").double().detach() + self.by, cost


@dataclass(frozen=True, kw_only=True)
class Hidden(Defense):
    """An operator that sees nothing."""

    name = "hidden"
    sees_requests = False
    computed: int | str = 5
    by: float = 1e-3

    def evaluation(self, task, weights):
        found = Off(task, weights, self.by)
        found.most = math.inf if self.computed == "all" else self.computed
        return found


def served(**options):
    return ServedModel(TASK, WEIGHTS, queries=100, chain=Chain((Hidden(**options),)))


@pytest.mark.parametrize(("computed", "really"), [(0, 0), (5, 5), (12, 12), (50, 12), ("all", 12)])
def test_the_first_are_computed_and_the_rest_is_the_same_network_in_plain(computed, really):
    service = served(computed=computed)
    answers = torch.cat([service.ask(INPUTS[:3]), service.ask(INPUTS[3:])])
    plain = ServedModel(TASK, WEIGHTS, queries=100).ask(INPUTS)
    torch.testing.assert_close(answers, plain, rtol=0, atol=1e-6)
    assert torch.equal(answers[really:], plain[really:])
    cost = service.private.cost
    assert (cost.answers, cost.uploaded, cost.once) == (really, 10 * really, 1000 if really else 0)
    assert cost.difference == (pytest.approx(1e-3, rel=1e-2) if really else 0)


def test_versions_are_computed_apart_and_noted_together():
    service = served(computed=2)
    other = service.version(initial_weights("digits-mlp", 1))
    service.ask(INPUTS[:4])
    other.ask(INPUTS[:4])
    assert service.private.cost == other.private.cost
    assert (service.private.cost.answers, service.private.cost.once) == (4, 2000)


@pytest.mark.parametrize("by", [0.02, float("nan")])
def test_a_score_that_is_off_is_no_answer(by):
    with pytest.raises(FedleakError, match=r"hidden: a score came out (0.02|nan) off .* at most 0.01 is expected"):
        served(by=by).ask(INPUTS)


def test_what_answers_took_is_kept_beside_the_log(tmp_path):
    service = served()
    service.ask(INPUTS)
    write_log(tmp_path / "queries", service.log)
    found = read_log(tmp_path / "queries").private
    assert found == service.private.record
    assert (found.defense, found.cost.answers) == ("hidden", 5)
    write_log(tmp_path / "seen", ServedModel(TASK, WEIGHTS, queries=1).log)
    assert read_log(tmp_path / "seen").private is None

"""Any function is a service, as long as it answers with probabilities; what else it does is one sentence."""

import numpy as np
import pytest
import torch

from fedleak.errors import ConfigError, ServiceError
from fedleak.learning.space import space_of
from fedleak.serving.callable_service import CallableService

SPACE = space_of((1, 2, 2))
INPUTS = torch.rand(4, 1, 2, 2)


def probabilities(inputs):
    return torch.softmax(inputs.flatten(1)[:, :3], 1)


def service(function=probabilities, queries=10, **options):
    return CallableService(function, SPACE, 3, queries=queries, **options)


def test_it_answers_with_what_the_function_returns_and_keeps_it():
    subject = service()
    assert torch.equal(subject.ask(INPUTS), probabilities(INPUTS))
    assert torch.equal(subject.log.inputs, INPUTS)
    assert torch.equal(subject.log.answers, probabilities(INPUTS))
    assert subject.remaining == 6


def test_a_function_of_arrays_gets_arrays():
    def numpy_only(inputs):
        assert isinstance(inputs, np.ndarray)
        return np.full((len(inputs), 3), 1 / 3)

    assert torch.allclose(service(numpy_only, arrays="numpy").ask(INPUTS), torch.full((4, 3), 1 / 3))


def test_lists_are_answers_too():
    assert torch.equal(service(lambda inputs: [[0, 0, 1]] * len(inputs)).ask(INPUTS), torch.eye(3)[[2] * 4])


def test_what_it_writes_into_its_inputs_is_its_own_business():
    def destructive(inputs):
        answers = probabilities(inputs)
        inputs.zero_()
        return answers

    subject = service(destructive)
    subject.ask(INPUTS)
    assert torch.equal(subject.log.inputs, INPUTS)


@pytest.mark.parametrize("budget", [0, 1, 10])
def test_it_is_never_asked_beyond_the_budget(budget):
    seen = []

    def counting(inputs):
        seen.append(len(inputs))
        return probabilities(inputs)

    subject = service(counting, budget)
    answers = torch.cat([subject.ask(INPUTS) for _ in range(4)])
    assert sum(seen) == len(subject.log) == budget
    assert (~answers.isnan().any(1)).sum() == budget


def raising(inputs):
    raise RuntimeError("out of memory\nand more")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: probabilities(x).fill_(torch.nan), "got NaN or infinity in row 0"),
        (lambda x: probabilities(x) * 0.9, "that sum to 1, got 0.9 in row"),
        (lambda x: torch.full((4, 5), 0.2), "one for each class, got 5 classes"),
        (lambda x: probabilities(x)[:3], r"got shape \(3, 3\)"),
        (lambda x: probabilities(x)[0], r"got shape \(3,\)"),
        (lambda x: torch.tensor([[-0.5, 0.5, 1.0]] * 4), "a negative number in row 0"),
        (lambda x: torch.tensor([[0.0, 0.0, 1.0]] * 3 + [[0.0, 0.0, 9.0]]), "a number above 1 in row 3"),
        (lambda x: "cat", "got str, which is no array of numbers"),
        (lambda x: None, "got NoneType, which is no array of numbers"),
        (lambda x: [[0.5, 0.5], [1.0]], "got list, which is no array of numbers"),
        (raising, "the service raised RuntimeError: out of memory$"),
    ],
)
def test_what_is_no_answer_is_one_sentence_and_was_asked(function, words):
    subject = service(function)
    with pytest.raises(ServiceError, match=words) as caught:
        subject.ask(INPUTS)
    assert "\n" not in str(caught.value)
    assert subject.log.refused.tolist() == [True] * 4
    assert subject.remaining == 6


def test_a_tolerance_lets_rounded_rows_pass():
    rounded = service(lambda x: probabilities(x) * 0.99, tolerance=0.05)
    assert torch.isfinite(rounded.ask(INPUTS)).all()


def test_other_shapes_are_refused_before_the_function_sees_them():
    with pytest.raises(ConfigError, match="expected inputs of shape"):
        service(raising).ask(torch.zeros(1, 3))

"""A query log comes back as it was written, and what is none is refused."""

import pytest
import torch

from fedleak.errors import RecordingError
from fedleak.io.tensors import write_pair
from fedleak.serving.log import FORMAT, QueryLog, read_log, write_log


@pytest.fixture
def log():
    answers = torch.eye(3)
    answers[1] = torch.nan
    return QueryLog(inputs=torch.rand(3, 1, 2, 2), probabilities=torch.eye(3), answers=answers)


def test_it_comes_back_bit_for_bit_with_what_was_refused(tmp_path, log):
    path = write_log(tmp_path / "queries", log)
    again = read_log(path)
    assert path.name == "queries.json"
    assert (tmp_path / "queries.safetensors").exists()
    assert torch.equal(again.inputs, log.inputs)
    assert torch.equal(again.probabilities, log.probabilities)
    assert torch.equal(again.answers.nan_to_num(-1), log.answers.nan_to_num(-1))
    assert again.refused.tolist() == [False, True, False]


def test_a_log_of_nothing_comes_back(tmp_path):
    empty = QueryLog(inputs=torch.empty(0, 4), probabilities=torch.empty(0, 2), answers=torch.empty(0, 2))
    write_log(tmp_path / "none", empty)
    assert len(read_log(tmp_path / "none")) == 0


def test_what_is_no_log_or_half_a_log_is_one_sentence(tmp_path, log):
    write_log(tmp_path / "queries", log)
    (tmp_path / "queries.safetensors").write_bytes(b"half")
    with pytest.raises(RecordingError, match="truncated"):
        read_log(tmp_path / "queries")
    write_pair(tmp_path / "other", {"inputs": torch.ones(1)}, {"format": "fedleak-recording-1"})
    with pytest.raises(RecordingError, match="expected a query log"):
        read_log(tmp_path / "other")
    tensors = {"inputs": torch.ones(1, 2), "probabilities": torch.ones(1, 2), "answers": torch.ones(1, 2)}
    write_pair(tmp_path / "fewer", tensors, {"format": FORMAT, "queries": 2})
    with pytest.raises(RecordingError, match="expected 2 queries"):
        read_log(tmp_path / "fewer")


def test_it_is_replayed_as_one_request_of_a_new_user(log):
    asked = log.replayed(torch.zeros(4, 1, 2, 2), days=2.0)
    assert (len(asked), len(asked.history), len(asked.benign), asked.days) == (3, 0, 4, 2.0)
    assert torch.equal(asked.inputs, log.inputs)
    assert torch.equal(asked.probabilities, log.probabilities)

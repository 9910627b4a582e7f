"""What clients were sent comes back, each different model kept once."""

from pathlib import Path

import pytest

from fedleak.errors import RecordingError
from fedleak.io.tensors import read_pair
from fedleak.learning.weights import Weights
from fedleak.recording.sent import SENT, read_sent, write_sent
from fedleak.tasks import initial_weights

ONE, OTHER = initial_weights("digits-mlp", 0), initial_weights("digits-mlp", 1)


def same(one: Weights, other: Weights) -> bool:
    return all(value.equal(other.state_dict()[name]) for name, value in one.state_dict().items())


def test_each_client_has_what_it_was_sent_and_each_model_is_there_once(tmp_path: Path) -> None:
    write_sent(tmp_path, 3, {1: ONE, 2: OTHER, 7: ONE})
    found = read_sent(tmp_path / "round-0003", ONE)
    assert found.keys() == {1, 2, 7}
    assert same(found[1], ONE)
    assert same(found[7], ONE)
    assert same(found[2], OTHER)
    tensors, _ = read_pair(tmp_path / "round-0003" / SENT)
    assert len(tensors) == 2 * len(ONE.state_dict())


def test_where_nothing_is_kept_there_is_nothing_and_damage_is_a_sentence(tmp_path: Path) -> None:
    assert read_sent(tmp_path, ONE) == {}
    write_sent(tmp_path, 1, {1: ONE})
    path = tmp_path / "round-0001" / f"{SENT}.json"
    path.write_text(path.read_text().replace('"0"', '"9"'))
    with pytest.raises(RecordingError, match="record it again"):
        read_sent(tmp_path / "round-0001", ONE)

"""A message about some of its examples: their truth alone, and the question who was there asked of them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fedleak.contracts.reconstruction import Reconstruction, Snapshot
from fedleak.contracts.subject import Subject
from fedleak.errors import RecordingError
from fedleak.evaluation.message import Message
from fedleak.evaluation.narrowed import as_many, chosen, narrowed, owners_in, require_somebody, within
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.settings.base import parse_settings


@pytest.fixture(scope="module")
def message(tmp_path_factory: pytest.TempPathFactory) -> Message:
    """A sum over three clients with four examples each."""
    root: Path = tmp_path_factory.mktemp("federation")
    tree = {"task": "digits-mlp", "seed": 5, "federation": {"clients": 3, "batch_size": 4},
            "chain": [{"use": "secure-aggregation"}], "recordings": str(root / "recordings/none"),
            "vault": str(root / "vault/none")}  # fmt: skip
    report = run_federation(parse_settings(FederationPlan, tree))
    return Message.at(next(path for path in report.recordings if path.stem == "aggregate"))


def test_about_all_it_is_the_message(message):
    assert narrowed(message, None) is message
    view = message.recording.observation()
    assert as_many(view, message) is view


def test_of_a_client_the_truth_is_its_own_and_the_others_are_others(message):
    one = narrowed(message, Subject(client=1))
    own = message.truth[torch.arange(4, 8)]
    assert torch.equal(one.truth.inputs, own.inputs)
    assert torch.equal(one.seen.inputs, own.inputs)
    assert one.behind({"inputs"}) is one.truth
    assert len(one.question.other_clients) == 8
    assert len(message.question.other_clients) == 0
    assert as_many(message.recording.observation(), one).examples() == 4


def test_of_a_class_the_truth_is_all_of_it_or_everything_where_nobody_has_it(message):
    labels = message.truth.labels
    for label in range(10):
        own = narrowed(message, Subject(label=label))
        there = (labels == label).nonzero().flatten()
        wanted = message.truth[there] if len(there) else message.truth
        assert torch.equal(own.truth.inputs, wanted.inputs)
        assert torch.equal(own.seen.inputs, wanted.inputs)
    assert len(set(labels.tolist())) < 10, "the test is about a class that nobody has, too"


def test_examples_are_told_by_their_owner_and_class(message):
    whose, labels = owners_in(message), torch.tensor([3, 1, 3, 2, 3, 3, 1, 1, 2, 2, 2, 2])
    assert whose.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert chosen(Subject(client=1), labels, whose).tolist() == [4, 5, 6, 7]
    assert chosen(Subject(client=1, label=1), labels, whose).tolist() == [6, 7]
    assert chosen(Subject(client=2, label=1), labels, whose).tolist() == [8, 9, 10, 11]
    assert chosen(Subject(label=3), labels, whose).tolist() == [0, 2, 4, 5]


def test_of_more_guesses_than_examples_whose_number_was_not_known_as_many_are_kept(message):
    made = Reconstruction(inputs=torch.arange(6.0).reshape(6, 1, 1, 1), labels=torch.arange(6))
    made = replace(made, snapshots=(Snapshot(1, made.inputs),))
    view = message.recording.observation()
    kept = within(made, narrowed(message, Subject(client=1, counted=False)), view)
    assert kept.labels.tolist() == kept.inputs.flatten().tolist() == [0, 1, 3, 4]
    assert torch.equal(kept.snapshots[0].inputs, kept.inputs)
    assert within(made, narrowed(message, Subject(client=1)), view) is made
    assert within(made, message, view) is made
    few = within(replace(made, labels=torch.arange(2)), narrowed(message, Subject(client=1, counted=False)), view)
    assert few.labels.tolist() == [0, 1]


def test_of_poisson_samples_nobody_else_knows_how_many_there_are(message):
    view = message.recording.observation()
    drawn = replace(view, num_examples=20, training=replace(view.training, sampling_rate=0.1))
    made = Reconstruction(labels=torch.arange(20))
    assert len(within(made, message, drawn).labels) == len(message.truth) == 12
    assert as_many(drawn, message).num_examples == 12
    assert as_many(view, message) is view
    with pytest.raises(RecordingError, match="none was in a Poisson sample"):
        require_somebody(message.truth[torch.zeros(0, dtype=torch.int64)])

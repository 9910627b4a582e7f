"""The text that comes with Python: what is in it, who holds it, and that clients hold stretches of it."""

from itertools import pairwise

import pytest
import torch

from fedleak.contracts.source import sources
from fedleak.data.loader import loaders
from fedleak.data.partitioning import partition
from fedleak.data.splits import load
from fedleak.data.texts import MOST_TESTED
from fedleak.errors import ConfigError
from fedleak.learning.source import Part
from fedleak.learning.space import Text
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import source_of, task_of
from fedleak.texts.described import corpus_of


@pytest.fixture(scope="module")
def text() -> Text:
    space = task_of("pydoc-gru").space
    assert isinstance(space, Text)
    return space


@pytest.mark.slow
def test_every_part_is_the_windows_of_its_stretches(text: Text) -> None:
    splits, corpus = load("pydoc-gru"), corpus_of(sources["pydoc"])
    said = "".join(corpus.held_by(Part.CLIENTS))
    assert len(splits.clients) == len(said)
    assert torch.equal(text.coded(splits.clients.labels), text.encode(said))
    assert len(splits.auxiliary) == sum(map(len, corpus.held_by(Part.AUXILIARY)))
    assert 0.8 * MOST_TESTED < len(splits.test) <= MOST_TESTED + 100
    parameters = sum(value.numel() for value in task_of("pydoc-gru").network.parameters())
    assert parameters <= 200_000


def test_parts_are_of_what_is_read_and_the_first_window_of_a_stretch_sees_nothing(text: Text) -> None:
    loader, source = loaders.build("pydoc", {}), source_of("pydoc-gru")
    examples, parts = loader.read(source), loader.parts(source)
    assert parts is not None
    assert len(parts) == len(examples)
    begins = [0, *(parts.diff().nonzero()[:, 0] + 1).tolist()]
    assert len(begins) > 50
    assert {text.decode(examples.inputs[place]) for place in begins} == {" " * text.length}


@pytest.mark.slow
def test_clients_hold_stretches_and_keep_one_of_them(text: Text) -> None:
    examples = load("pydoc-gru").clients
    for kept in (None, 50):
        shares = partition(examples, FederationSettings(clients=6, examples=kept), 3)
        whole = torch.cat(shares)
        assert len(whole) == len(whole.unique()) == (len(examples) if kept is None else 300)
        breaks = sum(int(second) != int(first) + 1 for share in shares for first, second in pairwise(share))
        assert breaks == (1 if kept is None else 0)  # one share goes on at the beginning of the text
    other = partition(examples, FederationSettings(clients=6, examples=50), 4)
    assert not torch.equal(torch.cat(other), whole)
    again = partition(examples, FederationSettings(clients=6, examples=50), 3)
    assert torch.equal(torch.cat(again), whole)


def test_a_share_that_is_shorter_than_a_window_is_refused() -> None:
    examples = load("pydoc-gru").clients
    with pytest.raises(ConfigError, match=r"client 0 has 15 characters, and a window is of 16; take more examples or"):
        partition(examples, FederationSettings(clients=2, examples=15), 0)
    assert [len(share) for share in partition(examples, FederationSettings(clients=2, examples=16), 0)] == [16, 16]

"""Cuts: each holder is shown what crossed the wire and what it holds itself; the truth is for scoring."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fedleak.errors import ConfigError
from fedleak.evaluation.challenge import MOST
from fedleak.evaluation.cuts import NOBODY, CutMessage
from tests.attacks.split.conftest import looking

pytestmark = pytest.mark.slow  # federations


@pytest.fixture(scope="module")
def look(tmp_path_factory):
    return looking(tmp_path_factory.mktemp("cuts"), clients=3, cut=3, batches=2)


def test_nobody_is_shown_what_another_holds(look):
    for who, own, labels in ((0, (0, 1), True), (1, (2, 3, 4), False), (2, (5, 6, 7), False), ("relay", (), False)):
        view, challenge = look(who, "labels")
        known = torch.isfinite(view.rows.inputs).all(dim=(0, 1, 2)).nonzero().flatten()
        assert tuple(known.tolist()) == own
        assert torch.isnan(view.rows.inputs[..., [one for one in range(8) if one not in own]]).all()
        assert bool((view.rows.labels == challenge.candidates.labels).all()) is labels
        assert labels or bool((view.rows.labels == -1).all())
        assert all(name.startswith((f"bottoms.{who}.", "top.")) for name in view.weights)
        assert any(name.startswith("top.") for name in view.weights) is (who == 0)
        assert torch.equal(view.rows.inputs[..., list(own)], challenge.candidates.inputs[..., list(own)])


def test_what_is_sent_and_what_returns_is_seen_by_those_at_both_ends(look):
    seen = {who: look(who, "labels")[0].exchanges for who in (0, 1, 2, "relay")}
    assert {len(one) for one in seen.values()} == {2}
    for place in range(2):
        for party in (1, 2):
            for other in (0, "relay"):
                assert torch.equal(seen[party][place].embeddings[party], seen[other][place].embeddings[party])
                assert torch.equal(seen[party][place].slopes[party], seen[other][place].slopes[party])
            assert set(seen[party][place].embeddings) == set(seen[party][place].slopes) == {party}


def test_of_columns_the_rows_of_the_first_step_are_asked_about(look):
    view, challenge = look(0, "columns", bottoms="weights")
    assert view.asked.tolist() == sorted(view.exchanges[0].rows.tolist())
    assert view.places == (2, 3, 4, 5, 6, 7)
    for party in (1, 2):
        truth = challenge.candidates.inputs[..., list(view.network.places[party])]
        sent = view.exchanges[0].embeddings[party][torch.argsort(view.exchanges[0].rows)]
        assert torch.equal(view.require_bottom(party).embed(truth), sent)


def test_a_network_that_is_asked_has_no_slopes_and_others_none_at_all(look):
    held = torch.rand(2, 1, 8, 3, requires_grad=True)
    assert look("relay", "columns", bottoms="weights")[0].bottoms[1].embed(held).requires_grad
    assert not look("relay", "columns", bottoms="queries")[0].bottoms[1].embed(held).requires_grad
    assert not look("relay", "columns")[0].bottoms
    assert not look(1, "labels", bottoms="weights")[0].bottoms


def test_known_labels_are_of_all_classes_and_asked_of_no_more(look):
    view, challenge = look(1, "labels", known_labels=20)
    assert torch.bincount(view.known_labels, minlength=10).tolist() == [2] * 10
    assert not set(view.known.tolist()) & set(view.asked.tolist())
    again, _ = look(2, "labels", known_labels=20)
    assert torch.equal(view.known, again.known)
    assert len(challenge.candidates) == len(view.asked)
    with pytest.raises(ConfigError, match=r"adversary\.known_labels: the parties have 1079 rows, got 2000; lower it"):
        look(1, "labels", known_labels=2000)


def test_what_is_unknown_of_training_is_not_told(look):
    view, _ = look(1, "labels", unknown=["learning_rate", "mode"])
    assert (view.training.learning_rate, view.training.mode) == (None, None)
    assert look(1, "labels")[0].training.learning_rate == 0.1


def asked_of(rows: torch.Tensor, known: torch.Tensor = NOBODY) -> set[int]:
    message = CutMessage(path=Path("diary"), recordings=Path(), vault=None)
    vars(message)["diary"] = SimpleNamespace(seed=3, round=1)
    vars(message)["exchanges"] = (SimpleNamespace(rows=rows),)
    asked = message.asked("labels", known)
    assert torch.equal(asked, asked.sort().values)
    return set(asked.tolist())


def test_diaries_that_saw_different_rows_are_asked_about_the_same_as_far_as_both_saw_them():
    some, others = torch.arange(0, 900), torch.arange(200, 1100)
    mine, theirs = asked_of(some), asked_of(others)
    assert len(mine) == len(theirs) == MOST
    assert asked_of(torch.arange(200, 900)) >= {row for row in mine | theirs if 200 <= row < 900}
    lasting = {row for row in mine if row >= 200}
    assert len(lasting & theirs) > 0.8 * len(lasting), "the same order for all"
    assert not asked_of(some, torch.arange(0, 450)) & set(range(450))
    assert asked_of(torch.arange(0)) == set()

"""Message: the truth behind it, what an attack is given beside it, and the question it is asked."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.data.splits import load
from fedleak.errors import RecordingError
from fedleak.evaluation.challenge import FEWEST, MOST, Challenge, Question
from fedleak.evaluation.message import Message
from fedleak.evaluation.views import Terms, observe
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.learning.batch import Batch, joined
from fedleak.results.row import Place
from fedleak.results.schema import AGGREGATE, MODEL, Who
from fedleak.runs.folder import RunFolder
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import parse_settings
from fedleak.vault.batches import withdraw
from fedleak.vault.shares import trained_until

TASK = "digits-mlp"

TERMS = Terms(adversary=AdversarySettings(auxiliary=8))


def federate(root: Path, **settings: object) -> RunFolder:
    chain, folder = settings.pop("chain", []), RunFolder(root)
    tree = {"task": TASK, "seed": 5, "federation": settings, "chain": chain,
            "recordings": str(folder.recordings("none")), "vault": str(folder.vault("none"))}  # fmt: skip
    run_federation(parse_settings(FederationPlan, tree))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Three clients, two rounds of four examples."""
    return federate(tmp_path_factory.mktemp("federation"), clients=3, rounds=2, batch_size=4)


def message_in(run: RunFolder, round: int, who: Who) -> Message:
    place = Place(task=TASK, algorithm="dlg", attack="dlg", defense="none", setting={}, client=who, round=round, seed=5)
    return Message.of(run, place)


def truth_of(run: RunFolder, round: int, *clients: int) -> Batch:
    return joined(withdraw(run.vault("none"), round, client).examples for client in clients)


def images(batch) -> set[bytes]:
    return {image.numpy().tobytes() for image in batch.inputs}


def asked(run: RunFolder, round: int = 1, who: Who = 1) -> tuple[Question, Challenge]:
    message = message_in(run, round, who)
    assert message.question is not None
    assert message.challenge is not None
    return message.question, message.challenge


def test_others_are_all_messages_up_to_this_round_without_itself(run):
    seen = {(one.round, one.cohort) for one in message_in(run, 1, 1).others}
    assert seen == {(1, (0,)), (1, (2,))}
    own = message_in(run, 2, 1).others
    assert {(one.round, one.cohort) for one in own} == {(r, (c,)) for r in (1, 2) for c in range(3)} - {(2, (1,))}
    assert all(one.auxiliary is None and one.candidates is None and one.others == () for one in own)


def test_members_are_the_truth_and_other_clients_that_of_the_round(run):
    question, challenge = asked(run)
    assert images(challenge.candidates[challenge.members]) == images(truth_of(run, 1, 1))
    assert images(question.other_clients) == images(truth_of(run, 1, 0, 2))


def test_non_members_are_clients_data_that_no_round_used(run):
    question, _ = asked(run)
    used = images(truth_of(run, 1, 0, 1, 2)) | images(truth_of(run, 2, 0, 1, 2))
    splits = load(TASK)
    assert len(question.non_members) >= FEWEST
    assert images(question.non_members) <= images(splits.clients) - used
    assert not images(question.non_members) & images(splits.auxiliary)


def test_each_message_has_its_own_and_each_defense_the_same(run, tmp_path):
    noisy = federate(tmp_path, clients=3, rounds=2, batch_size=4, chain=[{"use": "gaussian-noise", "std": 0.1}])
    assert torch.equal(asked(run)[1].candidates.inputs, asked(noisy)[1].candidates.inputs)
    assert images(asked(run)[0].non_members) != images(asked(run, 2)[0].non_members)


def test_where_every_example_was_used_the_test_set_is_asked_about(tmp_path):
    run = federate(tmp_path, clients=2, batch_size=200, batches="all", learning_rate=0.01)
    question, _ = asked(run, 1, 0)
    assert images(question.non_members) <= images(load(TASK).test)
    assert len(question.non_members) >= FEWEST


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Two clients with forty examples each, of which two rounds use all; the model leaves after each."""
    batches = {"batch_size": 8, "batches": "all", "examples": 40}
    return federate(tmp_path_factory.mktemp("released"), clients=2, rounds=2, release="every", **batches)


def test_members_of_a_model_are_what_any_client_trained_on_and_non_members_what_none_did(released):
    question, challenge = asked(released, 2, MODEL)
    members = images(joined(trained_until(released.vault("none"), 2).values()))
    assert images(question.members) == members
    assert len(question.members) == len(challenge.members) == 80
    assert images(question.non_members) <= images(load(TASK).clients) - members
    assert len(question.non_members) >= FEWEST
    assert len(question.other_clients) == len(challenge.other_clients) == 0
    assert images(challenge.candidates[challenge.members]) == members


def test_news_of_a_model_are_what_was_trained_on_since_the_release_before(tmp_path):
    run = federate(tmp_path, clients=2, rounds=4, batch_size=10, release=[1, 3, 4])
    messages = {round: message_in(run, round, MODEL) for round in (1, 3, 4)}
    assert all(len(images(one.news)) == len(one.news) for one in messages.values()), "each once"
    assert (len(messages[1].news), len(messages[4].news)) == (20, 20)
    assert 20 < len(messages[3].news) <= 40
    used = [trained_until(run.vault("none"), round) for round in range(1, 5)]
    assert images(messages[1].news) == images(joined(used[0].values())) == images(messages[1].truth)
    for round, before in ((3, 1), (4, 3)):
        assert images(joined(used[before - 1].values())) | images(messages[round].news) == images(messages[round].truth)
        assert messages[round].behind({"labels"}) is messages[round].seen is messages[round].news
        assert messages[round].behind({"membership"}) is messages[round].truth
    assert message_in(run, 3, MODEL).earlier[-1].round == 1


def test_strangers_to_a_model_are_strangers_to_later_ones_too(tmp_path):
    run = federate(tmp_path, clients=2, rounds=3, batch_size=30, release=[1, 3])
    used = images(joined(trained_until(run.vault("none"), 3).values()))
    question, _ = asked(run, 1, MODEL)
    assert len(question.members) == 60
    assert len(used) > 60
    assert not images(question.non_members) & used


def test_of_many_members_of_a_model_some_are_asked_about(tmp_path):
    run = federate(tmp_path, clients=1, batch_size=64, batches="all", release="last")
    question, challenge = asked(run, 1, MODEL)
    truth = images(message_in(run, 1, MODEL).truth)
    assert len(challenge.members) == MOST < len(truth)
    assert images(question.members) < truth
    assert images(question.non_members) <= images(load(TASK).test)


def test_the_order_of_a_model_s_candidates_tells_nothing(released):
    _, challenge = asked(released, 2, MODEL)
    place = challenge.members.double().mean() / len(challenge.candidates)
    assert place == pytest.approx(0.5, abs=0.1)


def test_an_attack_is_given_what_it_wants_and_no_more(run):
    message = message_in(run, 2, 0)
    for name, wanted in (("dlg", (False, False)), ("update-cosine", (False, True)), ("loss-trajectory", (True, True))):
        seen, challenge = observe(message, TERMS, attacks.build(name, {}))
        assert (bool(seen.others), seen.candidates is not None) == wanted
        assert (challenge is not None) == wanted[1]


def test_without_a_vault_nobody_is_asked_about(run):
    alone = replace(message_in(run, 1, 0), vault=None)
    seen, challenge = observe(alone, TERMS, attacks.build("update-cosine", {}))
    assert seen.candidates is None
    assert challenge is None
    with pytest.raises(RecordingError, match="no vault"):
        alone.truth  # noqa: B018


def test_a_file_is_the_same_message_as_its_place(run):
    placed = message_in(run, 2, 1)
    found = Message.at(placed.path.with_suffix(".json"))
    assert (found.sender, found.round, found.cohort, found.vault) == (1, 2, (1,), placed.vault)
    assert images(found.truth) == images(placed.truth) == images(truth_of(run, 2, 1))
    assert found.training == placed.training == withdraw(run.vault("none"), 2, 1).training


def test_the_truth_of_a_client_is_found_without_its_recording(run, monkeypatch):
    monkeypatch.setattr("fedleak.recording.files.read_pair", lambda path: pytest.fail(f"{path} was read"))
    assert len(message_in(run, 1, 2).truth) == 4


def test_the_sum_of_all_has_no_other_clients(tmp_path):
    run = federate(tmp_path, clients=3, chain=[{"use": "secure-aggregation"}])
    question, challenge = asked(run, 1, AGGREGATE)
    assert len(question.other_clients) == len(challenge.other_clients) == 0
    assert len(challenge.members) == 3


def test_where_public_examples_were_planted_all_are_asked_about_these(tmp_path: Path) -> None:
    run = federate(tmp_path, clients=3, batch_size=8, examples=8, batches="all", planted=24, release="last")
    planted = load(TASK).auxiliary[torch.arange(24)]
    found = []
    for who in (0, 1, 2, MODEL):
        question, challenge = asked(run, 1, who)
        assert images(challenge.candidates) == images(planted)
        assert len(challenge.candidates) == 24
        own = truth_of(run, 1, *(range(3) if who == MODEL else (who,)))
        assert images(question.members) == images(own) & images(planted)
        assert not images(question.non_members) & images(truth_of(run, 1, 0, 1, 2))
        found.append(question)
    assert 4 < len(found[-1].members) < 20
    assert len(found[-1].members) == sum(len(one.members) for one in found[:3])
    assert len(found[0].other_clients) == len(found[1].members) + len(found[2].members)

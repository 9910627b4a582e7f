"""What an attack is given beside its message, and the question it is asked, from the files of a federation."""

from pathlib import Path

import pytest
import torch

from fedleak import data
from fedleak.contracts.attack import attacks
from fedleak.evaluation.adversary import Surroundings, observe
from fedleak.evaluation.challenge import FEWEST, Challenge, Question
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.recording import read_recording
from fedleak.settings import parse_settings
from fedleak.vault import truth_of

TASK = "digits-mlp"


def federate(root: Path, **settings: object) -> Surroundings:
    chain = settings.pop("chain", [])
    tree = {"task": TASK, "seed": 5, "federation": settings, "chain": chain, "recordings": f"{root}/r",
            "vault": f"{root}/v"}  # fmt: skip
    run_federation(parse_settings(FederationPlan, tree))
    return Surroundings(recordings=root / "r", vault=root / "v")


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    """Three clients, two rounds of four examples."""
    return federate(tmp_path_factory.mktemp("federation"), clients=3, rounds=2, batch_size=4)


def recorded(around: Surroundings, round: int, who: str):
    return read_recording(around.recordings / f"round-{round:04d}" / f"{who}.json")


def images(batch) -> set[bytes]:
    return {image.numpy().tobytes() for image in batch.inputs}


def asked(around: Surroundings, round: int = 1, who: str = "client-0001") -> tuple[Question, Challenge]:
    question = around.question(recorded(around, round, who))
    assert question is not None
    return question, question.challenge()


def test_others_are_all_messages_up_to_this_round_without_itself(around):
    seen = {(one.round, one.cohort) for one in around.others(recorded(around, 1, "client-0001"))}
    assert seen == {(1, (0,)), (1, (2,))}
    own = around.others(recorded(around, 2, "client-0001"))
    assert {(one.round, one.cohort) for one in own} == {(r, (c,)) for r in (1, 2) for c in range(3)} - {(2, (1,))}
    assert all(one.auxiliary is None and one.candidates is None and one.others == () for one in own)


def test_members_are_the_truth_and_rivals_that_of_the_round(around):
    question, challenge = asked(around)
    assert images(challenge.candidates[challenge.members]) == images(truth_of(around.vault, 1, (1,)))
    assert images(question.rivals) == images(truth_of(around.vault, 1, (0, 2)))


def test_strangers_are_clients_data_that_no_round_used(around):
    question, _ = asked(around)
    used = images(truth_of(around.vault, 1, (0, 1, 2))) | images(truth_of(around.vault, 2, (0, 1, 2)))
    splits = data.load(TASK)
    assert len(question.strangers) >= FEWEST
    assert images(question.strangers) <= images(splits.clients) - used
    assert not images(question.strangers) & images(splits.auxiliary)


def test_each_message_has_its_own_and_each_defense_the_same(around, tmp_path):
    noisy = federate(tmp_path, clients=3, rounds=2, batch_size=4, chain=[{"use": "gaussian-noise", "std": 0.1}])
    assert torch.equal(asked(around)[1].candidates.inputs, asked(noisy)[1].candidates.inputs)
    assert images(asked(around)[0].strangers) != images(asked(around, 2)[0].strangers)


def test_where_every_example_was_used_the_test_set_is_asked_about(tmp_path):
    around = federate(tmp_path, clients=2, batch_size=200, batches="all", learning_rate=0.01)
    question, _ = asked(around, 1, "client-0000")
    assert images(question.strangers) <= images(data.load(TASK).test)
    assert len(question.strangers) >= FEWEST


def test_an_attack_is_given_what_it_wants_and_no_more(around):
    message = recorded(around, 2, "client-0000")
    for name, wanted in (("dlg", (False, False)), ("update-cosine", (False, True)), ("loss-trajectory", (True, True))):
        seen, challenge = observe(message, 8, attacks.build(name, {}), around)
        assert (bool(seen.others), seen.candidates is not None) == wanted
        assert (challenge is not None) == wanted[1]


def test_without_a_vault_nobody_is_asked_about(around):
    alone = Surroundings(recordings=around.recordings, vault=None)
    seen, challenge = observe(recorded(around, 1, "client-0000"), 8, attacks.build("update-cosine", {}), alone)
    assert seen.candidates is None
    assert challenge is None


def test_the_sum_of_all_has_no_rivals(tmp_path):
    around = federate(tmp_path, clients=3, chain=[{"use": "secure-aggregation"}])
    question, challenge = asked(around, 1, "aggregate")
    assert len(question.rivals) == len(challenge.rivals) == 0
    assert len(challenge.members) == 3

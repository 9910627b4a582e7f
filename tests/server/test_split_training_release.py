"""A joint network leaves the federation: its parts as parties hold them, and whole rows as what trained for it."""

from pathlib import Path

import pytest
import torch

from fedleak.clients.passive.party import PassiveParty
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.data.splits import load
from fedleak.errors import FederationError
from fedleak.evaluation.holdings import holdings_in
from fedleak.evaluation.message import Message
from fedleak.evaluation.views import Terms, observe
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.learning.batch import Batch, label_counts
from fedleak.recording.diary import read_diary, stem_of
from fedleak.recording.files import read_recording
from fedleak.serving.served_model import ServedModel
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import Table, parse_settings
from fedleak.vault.shares import SHARES

pytestmark = pytest.mark.slow  # federations, each of them
LINEAR = {"data": "diabetes", "network": "linear", "options": {"embedding": 2}}


def plan_in(folder: Path, task: str | Table = LINEAR, **federation) -> FederationPlan:
    settings = {"partition": "columns", "clients": 3, "rounds": 3, "batch_size": 8, "batches": 4, "cut": 2}
    tree = {"task": task, "recordings": str(folder / "recordings/none"), "vault": str(folder / "vault/none")}
    return parse_settings(FederationPlan, {**tree, "federation": {**settings, "release": [1, 2], **federation}})


def model(plan: FederationPlan, round: int) -> Message:
    return Message.at(Path(plan.recordings) / f"round-{round:04d}" / "model.json")


def rows_of(plan: FederationPlan, *rounds: int) -> Batch:
    """What the active party's diary says was trained on."""
    asked = [read_diary(Path(plan.recordings) / stem_of(0, round)).lines for round in rounds]
    return load(plan.source).clients[torch.cat([line.question["rows"] for lines in asked for line in lines]).unique()]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    plan = plan_in(tmp_path_factory.mktemp("joint"))
    run_federation(plan)
    return plan


@pytest.mark.parametrize("round", [1, 2])
def test_what_leaves_are_the_parts_that_parties_go_on_with(ran, round):
    whole = model(ran, round).recording.before.state_dict()
    held = [read_diary(Path(ran.recordings) / stem_of(party, round + 1)).weights for party in range(3)]
    assert sorted(whole) == sorted(name for own in held for name in own)
    assert all(torch.equal(whole[name], value) for own in held for name, value in own.items())
    assert not (Path(ran.recordings) / "round-0003" / "model.json").exists()


def test_its_truth_is_whole_rows_that_were_used_by_then(ran):
    first, second = model(ran, 1), model(ran, 2)
    for found, wanted in (
        (first.truth, rows_of(ran, 1)),
        (second.truth, rows_of(ran, 1, 2)),
        (second.news, rows_of(ran, 2)),
    ):
        assert torch.equal(found.inputs, wanted.inputs)
        assert torch.equal(found.labels, wanted.labels)
    assert second.recording.task.space.mask(["sex"]).any(), "of the table, and of no party's part of it"


def test_who_was_asked_about_was_trained_on_or_not(ran):
    asked, used = model(ran, 2).challenge, {row.numpy().tobytes() for row in rows_of(ran, 1, 2).inputs}
    inside = [row.numpy().tobytes() in used for row in asked.candidates.inputs]
    assert [place for place, one in enumerate(inside) if one] == sorted(asked.members.tolist())
    assert len(asked.members) + len(asked.non_members) == len(inside)


def test_classes_are_known_of_who_has_labels_alone(ran):
    counts = label_counts(rows_of(ran, 1, 2).labels, 2)
    assert holdings_in(Path(ran.vault)) == {0: tuple(counts.tolist())}


def test_the_active_party_finds_what_one_answer_determines(ran):
    """One equation of two classes, and one that a category's values sum to the same."""
    attack, hidden = attacks.build("equality-solving", {}), ("sex",)
    terms = Terms(adversary=AdversarySettings(queries=100, hidden=hidden))
    view, challenge = observe(model(ran, 2), terms, attack)
    assert isinstance(view.service, ServedModel)
    assert view.service.remaining == 0
    assert view.predictions.isfinite().all(1).tolist() == [True] * 100 + [False] * (len(view.rows) - 100)
    guess = attack.run(view, torch.Generator())
    truth = challenge.candidates.inputs[:, view.task.space.mask(hidden)].double()
    assert (guess.columns - truth)[:100].abs().max() < 1e-10
    assert (guess.columns - truth)[100:].abs().max() > 0.1


def test_its_answers_go_through_the_defenses_of_answers(ran):
    attack = attacks.build("equality-solving", {})
    terms = Terms(
        adversary=AdversarySettings(queries=9, hidden=("sex",)), chain=Chain.build(({"use": "rounding", "digits": 1},))
    )
    said = observe(model(ran, 2), terms, attack)[0].predictions[:9]
    assert torch.equal(said, said.round(decimals=1))


@pytest.mark.parametrize("name", ["csmia", "loss-threshold", "served-gap", "mi-face"])
def test_other_attacks_on_models_look_at_it_as_at_any(ran, name):
    attack = attacks.build(name, {})
    hidden = ("sex",) if "columns" in attack.targets else ()
    terms = Terms(adversary=AdversarySettings(queries=2000, hidden=hidden))
    assert attack.run(observe(model(ran, 2), terms, attack)[0], torch.Generator()).failure is None


def test_it_survives_the_disk_and_says_how_it_was_cut(ran):
    recording = read_recording(model(ran, 1).path)
    assert recording.split == ran.federation.split
    assert recording.kind == "model"
    assert '"format": "fedleak-recording-3"' in model(ran, 1).path.read_text()


def test_of_a_round_that_broke_off_nothing_leaves_and_its_rows_were_used(tmp_path, monkeypatch):
    backward = PassiveParty.backward

    def leaving(party):
        if party.place.round == 2 and party.place.step == 3:
            raise FederationError("gone")
        return backward(party)

    monkeypatch.setattr(PassiveParty, "backward", leaving)
    plan = plan_in(tmp_path, release="every", clients=2)
    report = run_federation(plan)
    assert {one.round for one in report.failures} == {2}
    assert {one.parent.name for one in Path(plan.recordings).glob("round-*/model.json")} == {"round-0001", "round-0003"}
    assert torch.equal(model(plan, 3).news.inputs, rows_of(plan, 2, 3).inputs)


def test_a_party_that_hands_over_something_else_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("fedleak.clients.split_training.part_of", lambda _: {"something": torch.zeros(1)})
    with pytest.raises(FederationError, match="party 0 answered without its part of the network after round 1"):
        run_federation(plan_in(tmp_path, rounds=1, release="last"))


def test_where_it_stays_nothing_is_deposited(tmp_path):
    plan = plan_in(tmp_path)
    run_federation(plan.model_copy(update={"federation": plan.federation.model_copy(update={"release": None})}))
    assert not (Path(plan.vault) / SHARES).exists()
    assert not list(Path(plan.recordings).glob("round-*/model.json"))

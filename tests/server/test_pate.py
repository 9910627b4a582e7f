"""PATE over the wire: the model stays what it is until the teachers vote, and is then the student that they teach."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fedleak.clients.share import examples_of
from fedleak.contracts.chain import Chain
from fedleak.data.splits import load
from fedleak.errors import ConfigError, FederationError
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.federation.reply import reply
from fedleak.learning.batch import Batch
from fedleak.learning.weights import Weights
from fedleak.recording.files import read_recording
from fedleak.settings.base import parse_settings
from fedleak.tasks import initial_weights

QUERIES, EPOCHS = 12, 3
FEDERATION = {"clients": 3, "rounds": 2, "batch_size": 8, "batches": 2, "release": "every", "learning_rate": 0.05}


def plan_in(folder: Path, noise: float = 0.0, **changes: Any) -> FederationPlan:
    places = {"recordings": str(folder / "recordings" / "none"), "vault": str(folder / "vault" / "none")}
    chain = [{"use": "pate", "std": noise, "queries": QUERIES, "epochs": EPOCHS}]
    tree = {"task": "digits-mlp", "federation": FEDERATION, "chain": chain, "records": ["model"], **places, **changes}
    return parse_settings(FederationPlan, tree)


def flat(weights: Weights) -> torch.Tensor:
    return torch.cat([value.flatten() for value in weights.parameters.values()])


def model(plan: FederationPlan, round: int) -> Weights:
    return read_recording(Path(plan.recordings) / f"round-{round:04d}" / "model.json").released().weights


def test_the_model_is_the_first_one_and_then_the_student(tmp_path: Path) -> None:
    """Teachers and student trained again without any message, and the labels by majority."""
    plan = plan_in(tmp_path, utility={"rounds": 1})
    report = run_federation(plan)
    assert not report.failures
    first, task = initial_weights(plan.task, plan.seed), plan.public_task()
    torch.testing.assert_close(model(plan, 1).state_dict(), first.state_dict())
    votes = torch.zeros(QUERIES, task.classes)
    public = load(plan.source).auxiliary
    for client in range(3):
        teacher = first
        for round in (1, 2):
            examples, training = examples_of(plan, client, round)
            teacher = reply(task, teacher, examples, training, Chain(), (plan.seed, "client", client, round)).weights
        named = task.logits(teacher, public.inputs[:QUERIES], mode="eval").argmax(1)
        votes += torch.nn.functional.one_hot(named, task.classes)
    defense = plan.defenses().protocol
    assert defense is not None
    training = defense.student_training(plan.training())  # type: ignore[attr-defined]
    labeled = Batch(public.inputs[:QUERIES], votes.argmax(1))
    student = reply(task, first, labeled, training, Chain(), (plan.seed, "student")).weights
    torch.testing.assert_close(model(plan, 2).state_dict(), student.state_dict())
    assert report.evaluation[2] == report.evaluation[3]
    assert report.evaluation[1]["accuracy"] != report.evaluation[2]["accuracy"]


@pytest.mark.slow
def test_noise_changes_labels_and_is_the_same_again(tmp_path: Path) -> None:
    plans = [plan_in(tmp_path / name, noise) for name, noise in (("a", 0.0), ("b", 50.0), ("c", 50.0))]
    for plan in plans:
        run_federation(plan)
    plain, noisy, again = (flat(model(plan, 2)) for plan in plans)
    assert not torch.equal(plain, noisy)
    assert torch.equal(noisy, again)


def test_a_client_that_leaves_does_not_vote(tmp_path: Path) -> None:
    leaving = [{"client": 2, "round": 2, "stage": "masked"}]
    plan = plan_in(tmp_path, federation={**FEDERATION, "dropouts": leaving})
    report = run_federation(plan)
    assert [(one.client, one.round) for one in report.failures] == [(2, 2)]
    assert not torch.equal(flat(model(plan, 2)), flat(model(plan, 1)))


def test_more_queries_than_there_are_public_examples_are_one_sentence(tmp_path: Path) -> None:
    chain = [{"use": "pate", "std": 1.0, "queries": 5000}]
    with pytest.raises(ConfigError, match="label queries = 5000 public examples, and 'digits' has 359; lower queries"):
        run_federation(plan_in(tmp_path, chain=chain))


def test_there_are_no_updates_to_record(tmp_path: Path) -> None:
    with pytest.raises((ConfigError, FederationError), match="sends votes and no updates"):
        run_federation(plan_in(tmp_path, records=["updates", "model"]))

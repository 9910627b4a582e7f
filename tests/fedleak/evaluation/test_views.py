"""What an attack is let at: what it looks at, public data, what it is asked, and nothing else."""

from pathlib import Path

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.data.public import public_examples
from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.evaluation.message import Message
from fedleak.evaluation.views import Terms, asked_about, observe, usual_queries
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.serving.served_model import ServedModel
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import parse_settings
from fedleak.tasks import source_of, task_of

ASKING, READING, TAPPING = (attacks.build(name, {}) for name in ("confidence-inversion", "mi-face", "dlg"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    places = {"recordings": str(folder / "recordings" / "none"), "vault": str(folder / "vault" / "none")}
    settings = {"clients": 2, "rounds": 2, "batch_size": 8, "release": "every"}
    run_federation(parse_settings(FederationPlan, {"task": "digits-mlp", "federation": settings, **places}))
    return folder


def model(run: Path, round: int = 2) -> Message:
    return Message.at(run / "recordings" / "none" / f"round-{round:04d}" / "model.json")


def test_an_attack_on_weights_gets_them_and_what_is_public(run: Path) -> None:
    terms = Terms(adversary=AdversarySettings(auxiliary=50, lacks=(3, 7)))
    view, challenge = observe(model(run), terms, READING)
    assert isinstance(view, Released)
    assert challenge is None
    assert view.classes == (3, 7)
    assert view.earlier == ()
    assert view.auxiliary is not None
    assert len(view.auxiliary) == 50
    assert not {3, 7} & set(view.auxiliary.labels.tolist())


def test_an_attack_on_answers_gets_a_service_and_the_defenses_of_its_answers(run: Path) -> None:
    chain = Chain.build(({"use": "label-only"},))
    terms = Terms(adversary=AdversarySettings(lacks=(3,), queries=4), chain=chain, seed_key=("a",))
    view, _ = observe(model(run), terms, ASKING)
    assert isinstance(view, Served)
    assert view.defense == chain
    assert view.service.remaining == 4
    answers = view.service.ask(torch.rand(6, 1, 8, 8))
    assert set(answers[:4].flatten().tolist()) == {0.0, 1.0}
    assert answers[4:].isnan().all()
    assert view.service.remaining == 0
    assert isinstance(view.service, ServedModel)
    assert len(view.service.log) == 4


def test_the_service_answers_with_the_model_of_its_round(run: Path) -> None:
    inputs, said = torch.rand(3, 1, 8, 8), []
    for round in (1, 2):
        view, _ = observe(model(run, round), Terms(adversary=AdversarySettings(queries=3)), ASKING)
        weights = model(run, round).recording.before
        assert isinstance(view, Served)
        said.append(view.service.ask(inputs))
        torch.testing.assert_close(said[-1], view.task.logits(weights, inputs, mode="eval").softmax(1))
    assert not torch.equal(*said)


def test_no_queries_are_no_answers(run: Path) -> None:
    view, _ = observe(model(run), Terms(adversary=AdversarySettings(queries=0)), ASKING)
    assert isinstance(view, Served)
    assert view.service.ask(torch.rand(2, 1, 8, 8)).isnan().all()


def test_an_attack_on_updates_is_asked_about_no_class(run: Path) -> None:
    update = Message.at(run / "recordings" / "none" / "round-0001" / "client-0000.json")
    view, _ = observe(update, Terms(adversary=AdversarySettings(lacks=(3,))), TAPPING)
    assert isinstance(view, Observation)
    assert view.classes == ()


@pytest.mark.parametrize(
    ("attack", "name", "sentence"),
    [
        (TAPPING, "model", "dlg looks at updates, and .*model.json has none"),
        (READING, "client-0000", "mi-face looks at the weights of a released model"),
        (ASKING, "client-0000", "confidence-inversion looks at the answers of a served model"),
    ],
)
def test_an_attack_on_something_else_is_refused(run: Path, attack, name: str, sentence: str) -> None:
    message = Message.at(run / "recordings" / "none" / "round-0001" / f"{name}.json")
    with pytest.raises(ConfigError, match=sentence):
        observe(message, Terms(adversary=AdversarySettings(queries=1)), attack)


def test_who_lacks_no_class_is_asked_about_all() -> None:
    assert asked_about(task_of("digits-mlp"), AdversarySettings()) == tuple(range(10))
    assert asked_about(task_of("digits-mlp"), AdversarySettings(lacks=(4, 2))) == (4, 2)


def test_public_examples_without_a_class_are_the_first_of_the_others() -> None:
    source = source_of("digits-mlp")
    public = load(source).auxiliary
    some = public_examples(source, 20, (0, 1))
    assert some is not None
    places = [place for place, label in enumerate(public.labels.tolist()) if label > 1][:20]
    assert torch.equal(some.inputs, public.inputs[places])
    assert public_examples(source, 0, (0, 1)) is None


def test_usual_queries_are_half_of_the_test_set() -> None:
    source = source_of("digits-mlp")
    assert torch.equal(usual_queries(source), load(source).test.inputs[::2])


COMPARING = attacks.build("updates-leak", {})


def test_who_compares_versions_asks_both_out_of_one_budget(run: Path) -> None:
    view, challenge = observe(model(run), Terms(adversary=AdversarySettings(queries=6)), COMPARING)
    assert isinstance(view, Served)
    assert challenge is None
    (before,) = view.earlier
    assert (before.round, view.round) == (1, 2)
    assert view.new_examples == len(model(run).news) == 16
    assert before.new_examples is None
    inputs = torch.rand(4, 1, 8, 8)
    first, second = before.service.ask(inputs), view.service.ask(inputs)
    assert second[2:].isnan().all()
    assert view.service.remaining == before.service.remaining == 0
    alone, _ = observe(model(run, 1), Terms(adversary=AdversarySettings(queries=4)), ASKING)
    assert torch.equal(first, alone.service.ask(inputs))
    first_release, _ = observe(model(run, 1), Terms(adversary=AdversarySettings(queries=4)), COMPARING)
    assert first_release.earlier == ()
    assert first_release.new_examples is None

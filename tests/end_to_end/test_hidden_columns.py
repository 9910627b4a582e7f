"""Hidden columns through the whole tool: members and others apart, beside an imputer that asks no model."""

from pathlib import Path

import pytest

from fedleak.contracts.attack import attacks
from fedleak.evaluation.message import Message
from fedleak.evaluation.views import Terms, observe
from fedleak.experiment.experiment import parse_experiment
from fedleak.run import run
from fedleak.settings.adversary import AdversarySettings

TREE = {
    "name": "what is hidden?",
    "seed": 1,
    "task": "diabetes-mlp",
    "federation": {
        "clients": 2,
        "rounds": 10,
        "epochs": 9,
        "examples": 50,
        "batch_size": 10,
        "batches": "all",
        "learning_rate": 0.1,
        "momentum": 0.9,
    },
    "adversary": {"hidden": ["sex"], "queries": 600},
    "attacks": [{"use": "fredrikson-tabular"}, {"use": "imputer-and-model"}],
    "defenses": [{"name": "none"}],
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory):
    outcome = run(parse_experiment(TREE), tmp_path_factory.mktemp("run") / "run")
    assert outcome.problems == ()
    return outcome


def values(finished, attack: str) -> dict[str, tuple[float, float, float]]:
    own = [row for row in finished.rows if row.attack == attack]
    return {row.metric: (row.value, row.baseline, row.no_access) for row in own}


@pytest.mark.slow
def test_the_model_adds_to_an_imputer_for_those_it_was_trained_on_alone(finished) -> None:
    found = values(finished, "imputer-and-model")
    value, prior, imputer = found["column-auc"]
    assert prior == 0.5
    assert value > imputer + 0.02
    value, _, imputer = found["column-auc-of-others"]
    assert value < imputer


@pytest.mark.slow
def test_every_attack_stands_beside_the_same_imputer(finished) -> None:
    one, other = (values(finished, name) for name in ("fredrikson-tabular", "imputer-and-model"))
    assert one.keys() == other.keys()
    assert len(one) == 6
    assert {name: beside for name, (_, *beside) in one.items()} == {n: beside for n, (_, *beside) in other.items()}


@pytest.mark.slow
def test_the_page_says_what_counts_and_what_the_adversary_knows(finished) -> None:
    page = Path(finished.folder.root, "report.html").read_text()
    assert "Of hidden columns only what an attack gains over an imputer counts" in page
    assert "it knows the label and every column but sex" in page


@pytest.mark.slow
def test_who_guesses_columns_is_shown_no_whole_row_and_others_no_hidden_one(finished) -> None:
    (path,) = finished.folder.root.rglob("model.json")
    terms = Terms(adversary=AdversarySettings(hidden=("sex",), queries=10))
    view, challenge = observe(Message.at(path), terms, attacks.build("lomia", {}))
    assert view.candidates is None
    assert view.rows.inputs[:, view.task.space.mask(["sex"])].isnan().all()
    assert len(challenge.members) == 100
    assert len(challenge.non_members) >= 100
    others, _ = observe(Message.at(path), terms, attacks.build("served-gap", {}))
    assert (others.rows, others.hidden) == (None, ())
    assert len(others.candidates) == len(view.rows)

"""What `fedleak attack` has to be told for an attack, and what it is told for nothing, in one sentence each."""

import shutil

import pytest
import torch

from fedleak.cli.attack_terms import require_terms, with_defenses
from fedleak.contracts.attack import attacks
from fedleak.errors import ConfigError
from fedleak.evaluation.message import Message
from fedleak.evaluation.views import Terms, observe
from fedleak.experiment.grid import parse_campaign
from fedleak.run import run
from fedleak.settings.adversary import AdversarySettings

ASKING, SHARES = {"queries": 9}, {"property": "sex=2", "shares": (0.2, 0.8)}
COLUMNS = {**ASKING, "hidden": ("sex",)}


@pytest.mark.parametrize(
    ("attack", "told", "sentence"),
    [
        ("mi-face", ASKING, "--queries: mi-face asks no prediction API; leave it out"),
        ("served-gap", {}, "served-gap asks a prediction API; say how many inputs, as in --queries 1000"),
        ("csmia", ASKING, "csmia guesses hidden columns; say which, as in --hidden sex"),
        ("gap", {"hidden": ("sex",)}, "--hidden: gap guesses no hidden columns; leave it out"),
        ("deep-sets", {}, "deep-sets tells shares of a property apart; say of which, as in --property sex=Female "),
        ("gap", SHARES, "--property: gap tells no shares of a property apart; leave it out"),
        ("shapley-inversion", COLUMNS, "shapley-inversion reads explanations of answers; say by --explanations that"),
        ("csmia", {**COLUMNS, "explanations": True}, "--explanations: csmia reads none; leave it out"),
        ("gap", {"masked": (0,)}, "--masked: gap asks for no secret; leave it out"),
    ],
)
def test_what_is_missing_or_idle_is_one_sentence(attack, told, sentence):
    with pytest.raises(ConfigError) as refused:
        require_terms(attacks.build(attack, {}), AdversarySettings(**told))
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("attack", "told"),
    [
        ("gap", {}),
        ("csmia", COLUMNS),
        ("shapley-inversion", {**COLUMNS, "explanations": True}),
        ("deep-sets", SHARES),
        ("masked-secret", {"masked": (0, 1)}),
        ("secret-ranking", {}),
        ("equality-solving", COLUMNS),
    ],
)
def test_what_is_needed_is_enough(attack, told):
    require_terms(attacks.build(attack, {}), AdversarySettings(**told))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The recording of a model that two rows share."""
    tree = {
        "name": "n",
        "task": "digits-mlp",
        "federation": {"clients": 2, "batch_size": 8, "release": "last"},
        "defenses": [{"name": "none"}, {"name": "pruned", "chain": [{"use": "pruning", "share": 0.9}]}],
    }
    root = run(parse_campaign(tree), tmp_path_factory.mktemp("shared") / "run").folder.root
    return root / "recordings" / "none" / "round-0001" / "model.json"


def zeros(path, name):
    terms, row = with_defenses(Terms(adversary=AdversarySettings()), Message.at(path), name)
    view, _ = observe(Message.at(path), terms, attacks.build("gap", {}))
    values = torch.cat([value.flatten() for value in view.weights.parameters.values()])
    return row, float((values == 0).double().mean())


@pytest.mark.slow
def test_a_model_left_under_the_row_of_its_folder_or_another_that_shares_it(shared, capsys):
    assert zeros(shared, None) == ("none", pytest.approx(0, abs=0.2))
    assert "those of 'none'; --defense takes 'pruned'" in capsys.readouterr().out
    row, share = zeros(shared, "pruned")
    assert row == "pruned"
    assert share > 0.5
    with pytest.raises(ConfigError, match="--defense: no row with this recording is called 'prune'; did you mean"):
        zeros(shared, "prune")


@pytest.mark.slow
def test_without_its_run_a_person_is_told_that_none_are_applied(shared, tmp_path, capsys):
    alone = shutil.copytree(shared.parent, tmp_path / "none" / "round-0001") / "model.json"
    assert zeros(alone, None)[0] == "none"
    assert "are not applied" in capsys.readouterr().err

"""What nobody gets at cannot be attacked, and a service that nobody asks is a mistake; one sentence each."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.errors import ConfigError
from fedleak.experiment.access import require_memory
from fedleak.experiment.experiment import Experiment, parse_experiment
from fedleak.experiment.grid import parse_campaign
from fedleak.settings.task import TaskSettings

ASKING, READING = {"use": "confidence-inversion"}, {"use": "mi-face"}
COMPARING = {"use": "updates-leak"}


def parsed(
    attack: dict[str, Any], release: Any = None, chain: tuple[dict[str, Any], ...] = (), **adversary: Any
) -> Experiment:
    federation = {"rounds": 4, **({} if release is None else {"release": release})}
    defenses = [{"name": "row", "chain": list(chain)}]
    tree = {"name": "n", "task": "digits-mlp", "federation": federation, "adversary": adversary}
    return parse_experiment({**tree, "attacks": [attack], "defenses": defenses})


def test_weights_need_a_release_and_answers_a_service() -> None:
    assert parsed(READING, "last").models == (4,)
    assert parsed(ASKING, queries=10).models == (4,)
    assert parsed(ASKING, [2, 3], queries=0).models == (2, 3)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"attack": READING}, "mi-face reads the weights of a released model, and none leaves this federation; set"),
        ({"attack": READING, "queries": 5}, "its answers alone are served; set federation.release"),
        ({"attack": ASKING}, "confidence-inversion asks a prediction API, and there is none; set adversary.queries"),
        ({"attack": ASKING, "release": "last"}, "its weights alone are released; set adversary.queries"),
        ({"attack": {"use": "best-of", "attack": ASKING}}, "best-of asks a prediction API, and there is none"),
        ({"attack": {"use": "dlg"}, "queries": 5}, "5 queries, and no attack here asks a prediction API"),
        ({"attack": ASKING, "queries": -1}, "adversary.queries: expected"),
        ({"attack": ASKING, "queries": 5, "lacks": [10]}, "adversary.lacks: no class 10; expected some of 0 to 9"),
        ({"attack": ASKING, "queries": 5, "lacks": [1, 1]}, "adversary.lacks: expected each class once"),
        ({"attack": ASKING, "queries": 5, "lacks": list(range(10))}, "adversary.lacks: all 10 classes"),
        ({"attack": READING, "release": [5]}, "rounds of the 4 that there are, each once, got .5."),
        ({"attack": READING, "release": [2, 2]}, "rounds of the 4 that there are, each once, got .2, 2."),
        ({"attack": READING, "release": "never"}, "a list of rounds such as"),
        ({"attack": READING, "release": "last", "chain": ({"use": "label-only"},)}, "so it does nothing"),
        ({"attack": COMPARING, "queries": 9}, "updates-leak compares two versions of a model, and one leaves"),
        ({"attack": COMPARING, "queries": 9, "release": "last"}, r"release two or more, as in release = .19, 20."),
        (
            {"attack": {"use": "lira", "versions": 3}, "release": "last"},
            "attacks.0: lira compares two versions of a model, and one leaves this federation; release two or more",
        ),
        ({"attack": COMPARING, "queries": 1, "release": "every"}, "expected 2 or more for both together, got 1"),
        (
            {"attack": ASKING, "queries": 5, "chain": ({"use": "rate-limit", "answers": 10},)},
            "say for how many days the adversary asks",
        ),
    ],
)
def test_what_cannot_be_is_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        parsed(**wrong)
    assert "\n" not in str(caught.value)


def test_what_each_combination_sets_for_itself_need_not_be_set_for_all() -> None:
    tree = {
        "name": "budgets", "task": "digits-mlp", "federation": {"clients": 2, "release": "last"}, "attacks": [ASKING],
        "vary": [{"name": f"{queries}", "adversary": {"queries": queries}} for queries in (10, 40)],
    }  # fmt: skip
    campaign = parse_campaign(tree)
    assert [point.experiment.adversary.queries for point in campaign.points] == [10, 40]
    assert parse_campaign(campaign.tree).tree == campaign.tree
    with pytest.raises(ConfigError, match=r"set adversary\.queries"):
        parse_campaign({**tree, "vary": [{"name": "none", "seed": 3}, *tree["vary"]]})


TABULAR = {"name": "n", "task": "diabetes-mlp", "defenses": [{"name": "none"}]}


def asking(attack: str, task: str = "diabetes-mlp", **adversary: Any) -> Experiment:
    tree = {"name": "n", "task": task, "federation": {"release": "last"}, "adversary": adversary}
    return parse_experiment({**tree, "attacks": [{"use": attack}]})


def test_shares_of_what_a_table_or_a_label_says_are_told_apart() -> None:
    told = asking("deep-sets", property="sex=2", shares=[0.3, 0.6])
    assert told.metrics == ("property-accuracy", "property-brier", "share-error")
    assert asking("meta-classifier", "digits-mlp", property="label=3", shares=[0.1, 0.3]).adversary.shares == (0.1, 0.3)


@pytest.mark.parametrize(
    ("attack", "task", "property", "sentence"),
    [
        ("deep-sets", "diabetes-mlp", "", "attacks.0: deep-sets tells shares of a property apart, and none is asked"),
        ("deep-sets", "diabetes-mlp", "sez=2", "adversary.property: the table has no column 'sez'; did you mean 'sex'"),
        ("deep-sets", "diabetes-mlp", "sex=3", "adversary.property: column 'sex' has no category '3'"),
        ("deep-sets", "digits-mlp", "sex=2", "adversary.property: 'sex', a column, is for rows of a table"),
        ("deep-sets", "digits-mlp", "label=10", "adversary.property: no label is called '10'"),
        ("lira", "diabetes-mlp", "sex=2", "adversary.property: 'sex=2', and no attack here tells shares of it apart"),
    ],
)
def test_shares_that_nobody_has_or_tells_are_refused(attack: str, task: str, property: str, sentence: str) -> None:
    shares = [0.3, 0.6] if property else []
    with pytest.raises(ConfigError) as refused:
        asking(attack, task, property=property, shares=shares)
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("task", "property", "sentence"),
    [
        ("diabetes-mlp", "sex=9", "federation.skew.property: column 'sex' has no category '9'; there is 1, 2"),
        ("digits-mlp", "label=10", "federation.skew.property: no label is called '10'"),
        ("digits-mlp", "sex=1", "federation.skew.property: 'sex', a column, is for rows of a table"),
    ],
)
def test_a_skew_by_what_no_data_have_is_refused_when_the_file_is_read(task: str, property: str, sentence: str) -> None:
    tree = {"name": "n", "task": task, "federation": {"skew": {"property": property, "share": 0.3}}}
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        parse_experiment({**tree, "attacks": [{"use": "dlg"}]})


MODELS = """
name = "many"
task = "digits-mlp"
federation = {{ release = "last", examples = 60 }}
adversary = {{ queries = 100 }}
attacks = [{{ use = "loss-threshold" }}, {{ use = "served-gap" }}, {{ use = "{attack}", shadows = {shadows} }}]
defenses = [{{ name = "none" }}]
"""


@pytest.mark.parametrize("attack", ["lira", "served-lira", "boundary-distance", "shadow-models"])
def test_more_than_memory_is_one_sentence_before_anything_runs(attack: str, tmp_path: Path) -> None:
    path, out = tmp_path / "many.toml", tmp_path / "out"
    path.write_text(MODELS.format(attack=attack, shadows=10**6))
    said = CliRunner().invoke(app, ["run", str(path), "--out", str(out)])
    assert said.exit_code == 2
    sentence = " ".join(said.output.split())
    assert "attacks.2.shadows: 1000000 models of 'digits-mlp' take 35.8 GiB, and at most 2 are trained" in sentence
    assert "lower 'shadows' to 55865 or fewer" in sentence
    assert not out.exists()


def test_what_fits_and_attacks_without_models_of_their_own_pass() -> None:
    task = TaskSettings.model_validate("digits-mlp")
    require_memory([{"use": "lira", "shadows": 55865}, {"use": "gap"}, {"use": "dlg"}], task)
    with pytest.raises(ConfigError, match=r"attacks\.0\.shadows"):
        require_memory([{"use": "lira", "shadows": 55866}], task)


INVERTING = {"use": "shapley-inversion"}


@pytest.mark.parametrize(
    ("attack", "changed", "sentence"),
    [
        (INVERTING, {}, "attacks.0: shapley-inversion reads explanations, and none are offered; set adversary.expl"),
        ({"use": "lomia"}, {"explanations": True}, "explanations are offered, and no attack here reads them; add one"),
    ],
)
def test_explanations_are_offered_to_who_reads_them(attack: Any, changed: Any, sentence: str) -> None:
    tree = {**TABULAR, "attacks": [attack], "adversary": {"queries": 5, "hidden": ["sex"], **changed}}
    with pytest.raises(ConfigError) as refused:
        parse_experiment(tree)
    assert sentence in str(refused.value)


def test_explanations_are_not_offered_beside_defenses_of_answers() -> None:
    adversary = {"queries": 5, "hidden": ["sex"], "explanations": True}
    tree = {**TABULAR, "attacks": [INVERTING], "adversary": adversary}
    assert parse_experiment(tree).adversary.explanations
    chain = [{"use": "label-only"}]
    with pytest.raises(ConfigError, match=r"defenses.0.chain: 'row' changes answers \(label-only\), and expl"):
        parse_experiment({**tree, "defenses": [{"name": "row", "chain": chain}]})

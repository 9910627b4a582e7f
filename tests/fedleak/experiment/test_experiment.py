"""An experiment is checked whole, in one sentence, before anything runs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fedleak.errors import ConfigError, DataError
from fedleak.experiment.experiment import Experiment, parse_experiment
from fedleak.experiment.grid import load_campaign
from fedleak.settings.base import A_NAME

GOOD: dict[str, Any] = {
    "name": "test",
    "task": "digits-mlp",
    "attacks": [{"use": "dlg", "steps": 5}],
    "defenses": [{"name": "none"}, {"name": "clipped", "chain": [{"use": "clipping", "max_norm": 1.0}]}],
}


def test_a_good_experiment_builds() -> None:
    experiment = parse_experiment(GOOD)
    assert [attack.name for attack in experiment.build_attacks()] == ["dlg"]
    assert list(experiment.build_chains()) == ["none", "clipped"]
    assert parse_experiment(json.loads(experiment.model_dump_json())) == experiment


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"attacks": [{"use": "dgl"}]}, "attacks.0.use: no attack is called 'dgl'; did you mean 'dlg'?"),
        (
            {"attacks": [{"use": "dlg", "step": 1}]},
            "attacks.0.step: unknown field of attack 'dlg'; did you mean 'steps'?",
        ),
        ({"attacks": [{"steps": 1}]}, 'attacks.0: expected a table such as {use = "NAME"} that names its attack, got'),
        ({"metrics": ["psrn"]}, "metrics.0: no metric is called 'psrn'; did you mean 'psnr'?"),
        ({"sede": 1}, "sede: unknown field; did you mean 'seed'?"),
        ({"federation": {"client": 4}}, "federation.client: unknown field; did you mean 'clients'?"),
        ({"federation": {"clients": "four"}}, "federation.clients: expected a valid integer, got 'four'"),
        ({"federation": {"clients": 0}}, "federation.clients: expected greater than or equal to 1, got 0"),
        (
            {"federation": {"partitoner": "iid"}},
            "federation.partitoner: unknown field; did you mean 'partitioner'?",
        ),
        ({"seed": "one"}, "seed: expected a valid integer, got 'one'"),
        ({"defenses": [{"name": "x"}, {"name": "x"}]}, "defenses: each needs a name of its own, got x, x"),
        (
            {"defenses": [{"name": "x", "chain": [{"use": "clipping"}]}]},
            "defenses.0.chain.0: defense 'clipping' needs max_norm",
        ),
        ({"defenses": [{"name": "../x"}]}, "defenses.0.name: expected"),
        ({"defenses": [{"name": "a/b"}]}, f"defenses.0.name: expected {A_NAME}, got 'a/b'"),
        ({"metrics": ["psnr", "mse", "psnr"]}, 'metrics: "psnr" comes twice; name it once'),
        ({"federation": {"batches": "al"}}, "federation.batches: expected a whole number above 0 or \"all\", got 'al'"),
        ({"federation": {"batches": 0}}, 'federation.batches: expected a whole number above 0 or "all", got 0'),
        ({"federation": {"epochs": 10**12}}, "federation: expected batches x epochs of at most 10000000 local steps"),
        ({"federation": {"batches": 4000, "epochs": 4000}}, "federation: expected batches x epochs of at most"),
        ({"federation": 3}, "federation: expected a table, got 3"),
        ({"": 3}, "'': unknown field"),
        ({"a\nb": 3}, "'a\\nb': unknown field"),
        ({"name": " "}, "name: expected a name that is not empty, got ' '"),
        ({"seed": int("9" * 4300) * 10}, "Exceeds the limit"),
        ({"task": "digits-mpl"}, "task: no task is called 'digits-mpl'; did you mean 'digits-mlp'?"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_experiment({**GOOD, **change})
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ["mse", "psnr", "ssim", "label-recall"]),
        (["dlg"], ["mse", "psnr", "ssim", "label-recall"]),
        (["bias-sign"], ["label-recall"]),
        (["update-cosine", "source-inference"], ["membership-auc", "membership-tpr", "source-auc"]),
        (["property-inference"], ["property-accuracy", "property-brier"]),
        (["bias-sign", "loss-trajectory"], ["label-recall", "membership-auc", "membership-tpr", "source-auc"]),
    ],
)
def test_without_metrics_those_are_taken_that_judge_what_the_attacks_answer_with(
    names: list[str], expected: list[str]
) -> None:
    assert list(parse_experiment({**GOOD, "attacks": [{"use": name} for name in names]}).metrics) == expected


def test_an_attack_within_another_says_what_that_answers_with() -> None:
    inner = {"use": "best-of", "attack": {"use": "bias-sign"}}
    assert parse_experiment({**GOOD, "attacks": [inner]}).metrics == ("label-recall",)


def test_metrics_that_would_give_no_figure_at_all_are_refused_with_some_that_would() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_experiment({**GOOD, "attacks": [{"use": "update-cosine"}], "metrics": ["psnr", "ssim"]})
    assert str(caught.value) == (
        "metrics: psnr and ssim can judge none of these attacks, so there would be no figure; add some of "
        '"membership-auc", "membership-tpr", "source-auc", or leave metrics out'
    )


def test_one_metric_that_fits_is_enough_and_a_file_may_name_none() -> None:
    wanted = ["psnr", "membership-auc"]
    assert list(parse_experiment({**GOOD, "attacks": [{"use": "update-cosine"}], "metrics": wanted}).metrics) == wanted
    assert parse_experiment({**GOOD, "metrics": []}).metrics == ()


@pytest.mark.parametrize("change", [{"seed": "x" * 10**6}, {"attacks": [{"use": "dlg", "steps": "x" * 10**6}]}])
def test_a_long_value_is_not_said_back_whole(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_experiment({**GOOD, **change})
    assert "got 'xxx" in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("missing", ["name", "task"])
def test_what_is_missing_is_named(missing: str) -> None:
    with pytest.raises(ConfigError, match=f"^{missing}: missing"):
        parse_experiment({key: value for key, value in GOOD.items() if key != missing})


def write(folder: Path, text: str) -> Path:
    path = folder / "experiment.toml"
    path.write_text(text)
    return path


def test_overrides_reach_into_tables_and_lists(tmp_path: Path) -> None:
    path = write(tmp_path, 'name = "x"\ntask = "digits-mlp"\n[[attacks]]\nuse = "dlg"\n')
    overrides = ("seed=3", "federation.clients=2", "attacks.0.steps=7", "task=digits-lenet", 'metrics=["psnr"]')
    experiment = load_campaign(path, overrides).first
    assert isinstance(experiment, Experiment)
    assert (experiment.seed, experiment.federation.clients, experiment.task.label) == (3, 2, "digits-lenet")
    assert experiment.attacks[0]["steps"] == 7
    assert experiment.metrics == ("psnr",)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("seed", "--set seed: expected key=value"),
        ("attacks.3.steps=1", "--set attacks.3: expected a place from 0 to 0 in the list, got '3'"),
        ("name.x=1", "--set name: expected a table or a list there, got 'x'"),
        ("attacks.².use=dlg", "--set attacks.²: expected a place from 0 to 0 in the list, got '²'"),
        (f"attacks.{'1' * 5000}.use=dlg", "--set attacks.'1111"),
        ("seed=1\nname = 'y'", "--set seed: expected one value, got"),
        ("seed=1\n[x]", "--set seed: expected one value, got"),
        (f"seed={'[' * 5000}", "--set seed: expected a value of a few levels, got one that is nested too deeply"),
        (f"seed={'[' * 100}1{']' * 100}", ""),
        pytest.param(f"{'a.' * 5000}b=1", "", marks=pytest.mark.slow),
        (f"seed={'1' * 5000}", "seed: expected a valid integer, got '111"),
        ("=3", "'': unknown field"),
        ("federation.cliens=1", "federation.cliens: unknown field; did you mean 'clients'?"),
    ],
)
def test_a_bad_override_is_one_sentence(tmp_path: Path, override: str, sentence: str) -> None:
    path = write(tmp_path, 'name = "x"\ntask = "digits-mlp"\n[[attacks]]\nuse = "dlg"\n')
    with pytest.raises(ConfigError) as caught:
        load_campaign(path, (override,))
    assert str(caught.value).startswith(sentence or f"{path} is nested too deeply; expected at most 32 levels")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.slow
@pytest.mark.parametrize("text", [f"seed = {'[' * 5000}", f"{'a.' * 5000}b = 1", f"seed = {'[' * 40}1{']' * 40}"])
def test_a_file_that_nests_too_deeply_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"is nested too deeply; expected at most 32 levels$"):
        load_campaign(write(tmp_path, text))


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text('name = "münzen"\ntask = "digits-mlp"\n', encoding="utf-8-sig")
    assert load_campaign(path).first.name == "münzen"


@pytest.mark.parametrize("label", ["", "a/b", "../x", " x", "x\ty"])
def test_a_label_is_a_name(tmp_path: Path, label: str) -> None:
    text = f'name = "x"\ntask = "digits-mlp"\n[[attacks]]\nuse = "dlg"\nlabel = {json.dumps(label)}\n'
    with pytest.raises(ConfigError) as caught:
        load_campaign(write(tmp_path, text))
    assert str(caught.value) == f"attacks.0.label: expected {A_NAME}, got {label!r}"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the experiment"):
        load_campaign(tmp_path / "none.toml")
    with pytest.raises(DataError, match=r"it is a folder; give a \.toml file$"):
        load_campaign(tmp_path)
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load_campaign(write(tmp_path, "name = "))
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load_campaign(write(tmp_path, f"seed = {'1' * 5000}"))


@pytest.mark.parametrize(
    ("chain", "sentence"),
    [
        ([{"use": "mixup"}], "has none to mix; raise federation.batch_size"),
        ([{"use": "secure-aggregation", "smallest_cohort": 9}], "needs 9 clients or more"),
        ([{"use": "precode", "codes": 10**12}], "less than or equal to 65536"),
        ([{"use": "withhold", "layers": []}], "a list of patterns"),
        ([{"use": "withhold", "layers": ["*weight"]}, {"use": "withhold", "layers": ["*bias"]}], "would share nothing"),
        (
            [{"use": "error-feedback", "of": {"use": "random-k", "fraction": 0.1, "scaled": True}}],
            "sends in excess; leave scaled out",
        ),
    ],
)
def test_a_defense_that_does_not_fit_is_refused_by_its_place(chain: list[Any], sentence: str) -> None:
    tree = {**GOOD, "defenses": [{"name": "none"}, {"name": "x", "chain": chain}]}
    with pytest.raises(ConfigError, match=r"^defenses\.1\.chain.*" + re.escape(sentence)):
        parse_experiment(tree)


def test_layers_that_a_later_defense_replaces_cannot_be_withheld() -> None:
    chain = [{"use": "withhold-batch-norm"}, {"use": "group-norm"}]
    tree = {**GOOD, "task": "digits-bn-convnet", "defenses": [{"name": "x", "chain": chain}]}
    with pytest.raises(ConfigError, match="would withhold nothing"):
        parse_experiment(tree)

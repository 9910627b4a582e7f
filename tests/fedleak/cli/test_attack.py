"""What `fedleak attack` refuses before it reads a recording."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.settings.base import parse_settings


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("use=idlg", "--set use: the attack is named by --use dlg; leave one of the two out"),
        ("steps", "--set steps: expected option=value, as in --set steps=400"),
        (
            "steps=1\nseed = 2",
            "--set steps: expected one value, got '1\\nseed = 2'; give each setting a --set of its own",
        ),
    ],
)
def test_a_bad_option_is_one_sentence(setting, sentence):
    said = CliRunner().invoke(app, ["attack", "none", "--use", "dlg", "--set", setting])
    assert said.exit_code == 2
    assert said.stderr.splitlines()[-1] == f"error: {sentence}"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("confidence-inversion",),
            "confidence-inversion asks a prediction API; say how many inputs, as in --queries 1000",
        ),
        (("mi-face", "--queries", "30"), "--queries: mi-face asks no prediction API; leave it out"),
        (("mi-face", "--lacks", "12"), "--lacks: no class 12; expected some of 0 to 9"),
        (("mi-face", "--lacks", "1", "--lacks", "1"), "--lacks: expected each class once, got [1, 1]"),
    ],
)
def test_terms_that_do_not_fit_a_released_model_are_one_sentence(model, options, sentence):
    said = CliRunner().invoke(app, ["attack", str(model), "--use", *options])
    assert said.exit_code == 2
    assert said.stderr.splitlines()[-1] == f"error: {sentence}"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("released")
    places = {"recordings": str(folder / "recordings"), "vault": str(folder / "vault")}
    settings = {"clients": 2, "batch_size": 8, "release": "last"}
    run_federation(parse_settings(FederationPlan, {"task": "digits-mlp", "federation": settings, **places}))
    return folder / "recordings" / "round-0001" / "model.json"

"""`fedleak check` on released models: a policy on what is recognised fails a bare service and passes a scant one."""

import junitparser
import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app

pytestmark = pytest.mark.slow

EXPERIMENT = """
name = "releases"
task = "digits-mlp"
[federation]
rounds = 20
batch_size = 16
batches = "all"
learning_rate = 0.05
momentum = 0.9
release = "last"
[adversary]
lacks = [0, 1, 2, 3, 4]
queries = 100
[[attacks]]
use = "confidence-inversion"
[[defenses]]
name = "none"
[[defenses]]
name = "label alone"
chain = [{ use = "label-only" }]
"""


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    (folder / "experiment.toml").write_text(EXPERIMENT)
    said = CliRunner().invoke(app, ["run", str(folder / "experiment.toml"), "--out", str(folder / "run")])
    assert said.exit_code == 0, said.output
    return folder / "run"


def checked(released, rule, *more):
    (released.parent / "policy.toml").write_text(f"rules = ['{rule}']\n")
    given = ["check", str(released), "--policy", str(released.parent / "policy.toml"), *map(str, more)]
    said = CliRunner().invoke(app, given)
    return said.exit_code, " ".join(said.stdout.split())


def test_an_undefended_service_breaks_the_policy_and_pictures_show_how(released, tmp_path):
    status, said = checked(released, 'recognised.mean < 0.6 where defense = "none"', "--junit", tmp_path / "j.xml")
    assert status == 1
    assert "confidence-inversion on the model under 'none'" in said
    assert "1 model, 1 seed" in said
    (picture,) = (released / "evidence").iterdir()
    assert picture.name in (tmp_path / "j.xml").read_text()
    assert junitparser.JUnitXml.fromfile(str(tmp_path / "j.xml")).failures == 1


def test_the_label_alone_and_few_queries_keep_it(released):
    status, said = checked(released, 'recognised.mean < 0.6 where sender = "model" and defense = "label alone"')
    assert (status, "PASS" in said) == (0, True)


def test_the_terminal_speaks_of_models(released):
    said = CliRunner().invoke(app, ["run", str(released.parent / "experiment.toml"), "--out", str(released)]).output
    words = " ".join(said.split())
    assert "mean over models (prior: the best constant guess without access)" in words
    assert "on the model" in words


def test_one_attack_on_the_model_is_scored_and_drawn(released, tmp_path):
    model = released / "recordings" / "none" / "round-0020" / "model.json"
    given = ["attack", str(model), "--use", "confidence-inversion", "--queries", "100", "--lacks", "0", "--lacks", "1"]
    said = CliRunner().invoke(app, [*given, "--out", str(tmp_path / "guess.png")])
    assert said.exit_code == 0, said.output
    assert "recognised" in said.stdout
    assert (tmp_path / "guess.png").read_bytes().startswith(b"\x89PNG")


def test_a_model_has_no_update_to_profile_and_that_is_one_sentence(released):
    said = CliRunner().invoke(app, ["profile", str(released / "recordings" / "none" / "round-0020" / "model.json")])
    assert said.exit_code == 2
    assert "it is a released model, which has no update to look at; name a client's recording" in said.stderr

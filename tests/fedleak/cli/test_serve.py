"""`fedleak serve` opens what a run released, with the answers that its attacks get; mistakes are one sentence."""

from importlib import import_module

import pytest
import torch
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.cli.serve import opened
from fedleak.contracts.chain import Chain
from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.learning.training import LocalTraining
from fedleak.recording.files import write_recording
from fedleak.recording.recording import Recording
from fedleak.runs.folder import RunFolder, released_models
from fedleak.serving.loopback import listening
from fedleak.serving.served_model import ServedModel
from fedleak.settings.task import TaskSettings
from fedleak.tasks import initial_weights, task_of

RELEASED = {2: 0, 10: 1}
"""By round, the seed of the weights."""
INPUTS = torch.rand(3, 1, 8, 8)


def experiment(rows, task="digits-mlp"):
    lines = ['name = "served"', f'task = "{task}"', "[federation]", "rounds = 10", "release = [2, 10]"]
    return "\n".join([*lines, *rows])


def released(folder, task="digits-mlp"):
    """Models of two rounds, recorded under no defense."""
    for number, seed in RELEASED.items():
        recording = Recording(
            settings=TaskSettings.model_validate(task),
            before=initial_weights(task, seed),
            payload={},
            kind="model",
            cohort=(0, 1),
            round=number,
            num_examples=None,
            training=LocalTraining(),
            chain=Chain(),
            defense="none",
            seed=3,
            metrics={},
        )
        write_recording(folder.recordings("none"), recording)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("serve") / "run")
    released(folder)
    folder.experiment.write_text(experiment(['[[defenses]]\nname = "none"', '[[defenses]]\nname = "empty"']))
    return folder.root


def invoke(*words):
    return CliRunner().invoke(app, ["serve", *map(str, words)])


def test_the_models_of_a_run_are_found_by_round(run):
    assert list(released_models(RunFolder(run), "none")) == [2, 10]
    assert released_models(RunFolder(run), "empty") == {}


@pytest.mark.parametrize(("release", "seed"), [(2, 0), (10, 1), (None, 1)])
def test_it_answers_like_the_model_of_that_round(run, release, seed):
    plain = ServedModel(task_of("digits-mlp"), initial_weights("digits-mlp", seed), queries=9)
    assert torch.equal(opened(run, release, None, 9).ask(INPUTS), plain.ask(INPUTS))


def test_a_thousand_queries_are_allowed_where_nobody_says(run):
    assert opened(run, None, None, None).remaining == 1000
    assert opened(run, None, None, 0).remaining == 0


def test_a_row_that_differs_in_answers_alone_is_served_from_the_federation_that_it_shares(tmp_path):
    folder = RunFolder(tmp_path)
    released(folder)
    folder.share("label", "", "none")
    rows = ['[[defenses]]\nname = "none"', '[[defenses]]\nname = "label"\nchain = [{ use = "label-only" }]']
    folder.experiment.write_text(experiment(["[adversary]\nqueries = 20", *rows]))
    plain, label = (opened(tmp_path, 2, name, None) for name in ("none", "label"))
    assert (plain.remaining, label.remaining) == (20, 20)
    assert torch.equal(label.ask(INPUTS), torch.eye(10)[plain.ask(INPUTS).argmax(1)])


def test_it_explains_where_the_run_offered_explanations(tmp_path):
    folder = RunFolder(tmp_path)
    released(folder, task="diabetes-mlp")
    attack = '[[attacks]]\nuse = "shapley-inversion"\n[adversary]\nqueries = 20\nhidden = ["sex"]\nexplanations = '
    rows = load("diabetes-mlp").test.inputs[:1]
    folder.experiment.write_text(experiment([f"{attack}true"], task="diabetes-mlp"))
    service = opened(tmp_path, 2, None, None)
    moved = service.ask(rows) - service.ask(load("diabetes-mlp").auxiliary.inputs.mean(0)[None])
    assert torch.allclose(service.explain(rows).sum(1), moved, atol=1e-5)
    folder.experiment.write_text(experiment([], task="diabetes-mlp"))
    with pytest.raises(ConfigError, match=r"^this service offers no explanations"):
        opened(tmp_path, 2, None, None).explain(rows)


def test_it_says_where_it_listens_and_serves(run, monkeypatch):
    served = []
    module = import_module("fedleak.cli.serve")
    monkeypatch.setattr(module, "serve", lambda service, listener: served.append((service, listener.getsockname())))
    said = invoke(run, "--port", 0, "--queries", 7)
    ((service, (host, port)),) = served
    assert said.exit_code == 0
    assert said.stdout == f"serving digits-mlp at http://{host}:{port}, 7 queries; Ctrl-C ends\n"
    assert (host, service.remaining) == ("127.0.0.1", 7)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--release", 7], "--release: expected a round after which a model was released (2, 10), got 7"),
        (["--defense", "non"], "--defense: no defense of the run is called 'non'; did you mean 'none'?"),
        (["--defense", "empty"], "released no model under 'empty'; add release ="),
        (["--host", "0.0.0.0"], "--host: expected an address of this machine's loopback"),
        (["--queries", -1], "--queries"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(run, words, sentence):
    said = invoke(run, "--port", 0, *words)
    assert said.exit_code == 2
    assert sentence in said.stderr


def test_a_taken_port_is_one_sentence_and_status_2(run):
    with listening("127.0.0.1", 0) as taken:
        said = invoke(run, "--port", taken.getsockname()[1])
    assert said.exit_code == 2
    assert said.stderr.startswith("error: --port: cannot listen at 127.0.0.1")
    assert said.stderr.count("\n") == 1


def test_what_is_no_run_is_one_sentence_and_status_2(tmp_path):
    said = invoke(tmp_path, "--port", 0)
    assert said.exit_code == 2
    assert "is no run folder" in said.stderr


def test_a_row_whose_operator_sees_no_queries_is_not_served_in_the_clear(tmp_path):
    folder = RunFolder(tmp_path / "unseen")
    released(folder)
    row = '[[defenses]]\nname = "unseen"\nchain = [{ use = "encrypted-inference" }]'
    folder.experiment.write_text(experiment(["[adversary]", "queries = 10", row]))
    with pytest.raises(ConfigError, match=r"--defense: under 'unseen' \(encrypted-inference\) queries leave the user"):
        opened(folder.root, None, "unseen", None)

"""A run folder is claimed once, found again by its experiment, and never taken from another."""

import tomllib

import pytest

from fedleak.campaign.address import address_of, experiment_facts, to_toml
from fedleak.campaign.folder import RunFolder, stem_name, vault_beside
from fedleak.errors import OutputError
from fedleak.experiment import parse_experiment
from fedleak.results import AGGREGATE

TREE = {
    "name": "a run",
    "task": "digits-mlp",
    "defenses": [{"name": "none"}, {"name": "noisy", "chain": [{"use": "gaussian-noise", "std": 0.1}]}],
}


@pytest.fixture
def experiment():
    return parse_experiment(TREE)


def test_the_same_experiment_is_found_again(tmp_path, experiment):
    folder = RunFolder(tmp_path / "run")
    assert folder.claim(experiment) is False
    assert folder.claim(experiment) is True


def test_another_experiment_is_refused(tmp_path, experiment):
    folder = RunFolder(tmp_path / "run")
    folder.claim(experiment)
    with pytest.raises(OutputError, match=r"holds a different run; choose another --out, or replace it by --overwrite"):
        folder.claim(experiment.model_copy(update={"seed": 1}))


def test_overwriting_deletes_what_a_run_wrote_and_nothing_else(tmp_path, experiment):
    folder = RunFolder(tmp_path / "run")
    folder.claim(experiment)
    for path in (folder.results, folder.recordings("none") / "x.json", folder.root / "notes.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert folder.claim(experiment.model_copy(update={"seed": 1}), overwrite=True) is False
    assert sorted(path.name for path in folder.root.iterdir()) == ["experiment.toml", "notes.txt"]


def test_a_folder_with_something_else_is_refused_and_left_alone(tmp_path, experiment):
    (tmp_path / "thesis.tex").write_text("x")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="holds files that are not a run"):
            RunFolder(tmp_path).claim(experiment, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way_is_one_sentence(tmp_path, experiment):
    (tmp_path / "run").write_text("x")
    with pytest.raises(OutputError, match="is a file; choose a folder for --out"):
        RunFolder(tmp_path / "run").claim(experiment)


def test_a_damaged_experiment_is_one_sentence(tmp_path, experiment):
    (tmp_path / "experiment.toml").write_text("name = [")
    with pytest.raises(OutputError, match="cannot read"):
        RunFolder(tmp_path).claim(experiment)


def test_the_written_experiment_says_everything_and_gives_the_same_run(experiment):
    again = parse_experiment(tomllib.loads(to_toml(experiment)))
    assert experiment_facts(again) == experiment_facts(experiment)
    assert "learning_rate = 0.1" in to_toml(experiment)


def test_spelling_out_a_default_keeps_the_address(experiment):
    spelled = parse_experiment({**TREE, "seed": 0, "federation": {"clients": 4}})
    assert address_of(experiment_facts(spelled)) == address_of(experiment_facts(experiment))
    other = parse_experiment({**TREE, "federation": {"clients": 5}})
    assert address_of(experiment_facts(other)) != address_of(experiment_facts(experiment))


def test_names_of_senders():
    assert (stem_name(3), stem_name(AGGREGATE)) == ("client-0003", "aggregate")


def test_the_vault_of_a_run_is_found_from_a_recording(tmp_path):
    recording = tmp_path / "recordings" / "none" / "round-0001" / "client-0000.json"
    assert vault_beside(recording) is None
    (tmp_path / "vault" / "none").mkdir(parents=True)
    assert vault_beside(recording) == tmp_path / "vault" / "none"
    assert vault_beside(tmp_path / "elsewhere" / "client-0000.json") is None

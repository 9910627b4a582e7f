"""A run folder is claimed once, found again by its experiment, and never taken from another."""

import tomllib

import pytest

from fedleak.errors import OutputError, RecordingError
from fedleak.experiment.canonical import experiment_facts
from fedleak.experiment.experiment import parse_experiment
from fedleak.experiment.grid import parse_campaign
from fedleak.io.fingerprint import address_of, file_name
from fedleak.results.schema import AGGREGATE
from fedleak.runs.folder import RunFolder, stem_name, vault_beside
from fedleak.runs.ownership import claim, locked

TREE = {
    "name": "a run",
    "task": "digits-mlp",
    "defenses": [{"name": "none"}, {"name": "noisy", "chain": [{"use": "gaussian-noise", "std": 0.1}]}],
}


@pytest.fixture
def campaign():
    return parse_campaign(TREE)


@pytest.fixture
def other():
    return parse_campaign({**TREE, "seed": 1})


def test_the_same_experiment_is_found_again(tmp_path, campaign):
    folder = RunFolder(tmp_path / "run")
    assert claim(folder, campaign) is False
    assert claim(folder, campaign) is True


def test_another_experiment_is_refused(tmp_path, campaign, other):
    folder = RunFolder(tmp_path / "run")
    claim(folder, campaign)
    with pytest.raises(OutputError, match=r"holds a different run; choose another --out$"):
        claim(folder, other)
    folder.manifest.write_text("{}")
    with pytest.raises(OutputError, match=r"holds a different run; choose another --out, or replace it by --overwrite"):
        claim(folder, other)


def test_overwriting_deletes_what_a_run_wrote_and_nothing_else(tmp_path, campaign, other):
    folder = RunFolder(tmp_path / "run")
    claim(folder, campaign)
    models = folder.shadows / "x.json"
    for path in (
        folder.results,
        folder.manifest,
        folder.recordings("none") / "x.json",
        models,
        folder.root / "notes.txt",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert claim(folder, other, overwrite=True) is False
    assert sorted(path.name for path in folder.root.iterdir()) == ["experiment.toml", "notes.txt"]


def test_what_was_half_written_goes_where_a_run_goes_on(tmp_path, campaign):
    folder = RunFolder(tmp_path / "run")
    claim(folder, campaign)
    for place in (folder.shadows, folder.recordings("none")):
        place.mkdir(parents=True)
        (place / ".x.safetensors.7.part").write_text("half")
        (place / "y.safetensors").write_text("whole")
    claim(folder, campaign)
    for place in (folder.shadows, folder.recordings("none")):
        assert [path.name for path in place.iterdir()] == ["y.safetensors"]


def test_a_folder_with_something_else_is_refused_and_left_alone(tmp_path, campaign):
    (tmp_path / "thesis.tex").write_text("x")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="holds files that are not a run"):
            claim(RunFolder(tmp_path), campaign, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way_is_one_sentence(tmp_path, campaign):
    (tmp_path / "run").write_text("x")
    with pytest.raises(OutputError, match="is a file; choose a folder for --out"):
        claim(RunFolder(tmp_path / "run"), campaign)


def test_a_damaged_experiment_is_one_sentence(tmp_path, campaign):
    (tmp_path / "experiment.toml").write_text("name = [")
    with pytest.raises(OutputError, match="cannot read"):
        claim(RunFolder(tmp_path), campaign)


def test_the_written_experiment_says_everything_and_gives_the_same_run(tmp_path, campaign):
    claim(RunFolder(tmp_path), campaign)
    written = (tmp_path / "experiment.toml").read_text()
    assert parse_campaign(tomllib.loads(written)).tree == campaign.tree
    assert "learning_rate = 0.1" in written


def test_spelling_out_a_default_keeps_the_address():
    experiment = parse_experiment(TREE)
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


def test_the_vault_of_a_campaign_is_found_from_a_recording_of_one_of_its_settings(tmp_path):
    recording = tmp_path / "recordings" / "seed=1" / "none" / "round-0001" / "client-0000.json"
    (tmp_path / "vault" / "seed=1" / "none").mkdir(parents=True)
    assert vault_beside(recording) == tmp_path / "vault" / "seed=1" / "none"


def test_a_folder_in_use_is_refused_until_it_is_free_again(tmp_path):
    one, two = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    with locked(one), pytest.raises(OutputError, match="another run is working in"), locked(two):
        pass
    with locked(two):
        pass


def test_what_killed_processes_left_half_written_goes(tmp_path, campaign):
    folder = RunFolder(tmp_path / "run")
    claim(folder, campaign)
    half = folder.recordings("none") / "round-0001" / ".client-0000.json.12345.part"
    half.parent.mkdir(parents=True)
    half.write_text("{")
    assert claim(folder, campaign) is True
    assert not half.exists()


@pytest.mark.parametrize("label", ["a/b", "x" * 300, "unknown=[]", "dlg steps=100"])
def test_a_label_becomes_a_name_that_every_file_system_takes(tmp_path, label):
    (tmp_path / file_name(label)).write_text("x")
    assert len(file_name(label)) <= 100


def test_labels_that_look_alike_as_names_stay_apart():
    assert file_name("a/b") != file_name("a:b")
    assert file_name("dlg steps=100") == "dlg steps=100"


def test_somebody_s_own_experiment_file_is_not_taken_for_a_run_and_not_overwritten(tmp_path, campaign):
    mine = tmp_path / "experiment.toml"
    mine.write_text('name = "mine"\ntask = "digits-mlp"\n')
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="holds a different run"):
            claim(RunFolder(tmp_path), campaign, overwrite=overwrite)
    assert mine.read_text().startswith('name = "mine"')


def test_dotfiles_of_others_are_left_alone(tmp_path, campaign):
    """A home or a checkout may be chosen for --out by mistake."""
    others = [tmp_path / ".bashrc.2024", tmp_path / ".config" / ".app.2.part", tmp_path / ".git" / ".index.7"]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("precious")
    for _ in range(2):
        claim(RunFolder(tmp_path), campaign)
    assert all(path.read_text() == "precious" for path in others)


@pytest.mark.parametrize("hostile", ["..", "../none", "/etc", "", "a/b", "\xff"])
def test_a_link_leads_nowhere_but_to_a_defense_of_its_run(tmp_path, hostile):
    folder = RunFolder(tmp_path)
    folder.share("label", "", "none")
    assert folder.vault("label") == tmp_path / "vault" / "none"
    (tmp_path / "recordings" / "label.link").write_bytes(hostile.encode("latin-1"))
    with pytest.raises(RecordingError, match=r"label\.link: expected the name of a defense"):
        folder.recordings("label")

"""Audited apps that a run keeps: as they were audited, and what goes on with a run goes on with these."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fedleak.errors import OutputError, RecordingError
from fedleak.experiment import experiment
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.grid import load_campaign
from fedleak.runs.folder import RunFolder
from fedleak.runs.kept_apps import bundles_of, keep, require_kept, with_kept
from fedleak.runs.manifest import manifest_of
from fedleak.runs.ownership import claim
from fedleak.settings.bundle import bundle_at, images_in, kept_in


@pytest.fixture(autouse=True)
def _unfitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether networks and defenses fit is no matter here, so no process is started for it."""
    monkeypatch.setattr(experiment, "at_home", lambda *_: None)


@pytest.fixture
def asked(audited: Callable[[Path, int], Path], tmp_path: Path) -> Callable[[], Campaign]:
    """Reads the experiment again, as each start of a run does."""
    audited(tmp_path / "mine", 4)
    (tmp_path / "e.toml").write_text('name = "e"\ntask = "app:mine"\n[adversary]\nauxiliary = 2\n')
    return lambda: load_campaign(tmp_path / "e.toml")


def test_code_is_kept_for_all_and_images_for_their_owner_alone(asked: Callable[[], Campaign], tmp_path: Path) -> None:
    campaign, folder = asked(), RunFolder(tmp_path / "run")
    (address,) = bundles_of(campaign)
    keep(folder, bundles_of(campaign))
    keep(folder, bundles_of(campaign))
    code, images = kept_in(folder.root, address), images_in(folder.root, address)
    assert sorted(path.name for path in code.iterdir()) == ["SHA256SUMS", "net.py"]
    assert images.stat().st_mode & 0o777 == 0o600
    assert images.parent.stat().st_mode & 0o777 == 0o700
    assert bundle_at(code, address).address == address
    assert with_kept(campaign, folder).first.task.home == str(code)
    assert manifest_of(campaign, engine="loopback", jobs=1, resumed=False, cells=0).apps == {address: "mine"}
    require_kept(folder)
    (code / "net.py").write_text("")
    for again in (lambda: require_kept(folder), lambda: keep(folder, bundles_of(campaign))):
        with pytest.raises(RecordingError, match=r"net\.py in \S+ changed"):
            again()


def test_a_run_goes_on_with_what_it_began_with_and_nothing_else(asked: Callable[[], Campaign], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert not claim(folder, asked())
    assert claim(folder, asked())
    own = load_campaign(folder.experiment)
    assert own.first.task.home == str(kept_in(folder.root, own.first.task.bundle or ""))
    (tmp_path / "mine" / "task" / "net.py").write_text((tmp_path / "mine" / "task" / "net.py").read_text() + "# new")
    with pytest.raises(OutputError, match="code or images have changed since; choose another --out, or go on with"):
        claim(folder, asked())
    folder.manifest.touch()
    assert claim(folder, own)
    assert not claim(folder, own, overwrite=True)  # what it is made from lies in the folder that is cleared
    assert claim(folder, load_campaign(folder.experiment))


def test_what_changes_before_the_run_begins_is_not_taken(asked: Callable[[], Campaign], tmp_path: Path) -> None:
    campaign = asked()
    (tmp_path / "mine" / "task" / "net.py").write_text("")
    with pytest.raises(RecordingError, match="has changed: expected the audited app"):
        claim(RunFolder(tmp_path / "run"), campaign)

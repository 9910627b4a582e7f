"""Bundle of an audited app: the same wherever it lies, and another as soon as a byte of it is."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fedleak.errors import RecordingError
from fedleak.settings.bundle import Bundle, bundle_at, images_in, kept_in

Write = Callable[[Path, int], Path]


@pytest.fixture
def code(audited: Write, tmp_path: Path) -> Path:
    return audited(tmp_path / "app", 4) / "task"


def test_it_is_the_same_in_another_place_and_whatever_lies_beside_it(code: Path, tmp_path: Path) -> None:
    before = Bundle.read(code).address
    copy = shutil.copytree(code, tmp_path / "elsewhere")
    (copy / "task.json").unlink()
    (copy / "__pycache__").mkdir()
    assert bundle_at(copy, before).address == before


@pytest.mark.parametrize("change", ["net.py", "images.npz", "inner/new.py"])
def test_a_byte_of_code_or_images_makes_another_of_it(code: Path, change: str) -> None:
    before = Bundle.read(code).address
    path = code / change
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((path.read_bytes() if path.exists() else b"") + b"#")
    with pytest.raises(RecordingError, match=f"expected the audited app {before[:12]}, got "):
        bundle_at(code, before)


def test_a_run_has_its_images_in_the_vault_and_a_list_that_says_what_was_changed(code: Path, tmp_path: Path) -> None:
    bundle = Bundle.read(code)
    kept, images = kept_in(tmp_path, bundle.address), images_in(tmp_path, bundle.address)
    shutil.copytree(code, kept)
    images.parent.mkdir()
    (kept / "images.npz").rename(images)
    (kept / "SHA256SUMS").write_text(bundle.sums)
    assert bundle_at(kept, bundle.address) == bundle
    (kept / "net.py").write_text("Net = None")
    with pytest.raises(RecordingError, match=r"^net\.py in \S+ changed: "):
        bundle_at(kept, bundle.address)
    images.unlink()
    with pytest.raises(RecordingError, match=r"cannot read the audited app .* put it back"):
        bundle_at(kept, bundle.address)


def test_the_list_is_what_sha256sum_checks(code: Path) -> None:
    (code / "SHA256SUMS").write_text(Bundle.read(code).sums)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=code, check=True, capture_output=True)

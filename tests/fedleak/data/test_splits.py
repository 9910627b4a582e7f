"""Laws of the data sets that need no files and no network, and of their splits."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fedleak.contracts.source import FILES, sources
from fedleak.data.loader import loaders
from fedleak.data.photos import FLAT, PHOTOS, all_tiles, bands, contrast, pixels
from fedleak.data.splits import load
from fedleak.errors import DataError
from fedleak.io.package_files import package_file
from fedleak.learning.batch import Batch
from fedleak.learning.source import Part, Source
from fedleak.tasks import task_of

OFFLINE = {"digits": 1797, "mnist": 5000, "photos": 1348, "faces": 200}


def everything(name: str) -> Batch:
    return loaders.build(name, {}).read(sources[name])


@pytest.mark.parametrize("name", OFFLINE)
def test_a_data_set_is_what_its_source_says(name: str) -> None:
    source, examples = sources[name], everything(name)
    assert examples.inputs.shape == (OFFLINE[name], *source.shape)
    assert examples.labels.unique().tolist() == list(range(source.classes))
    assert examples.inputs.dtype == torch.float32
    assert examples.labels.dtype == torch.int64
    assert (examples.inputs.min(), examples.inputs.max()) == (0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", OFFLINE)
def test_every_example_is_in_exactly_one_split(name: str) -> None:
    splits = load(f"{name}-lenet")
    together = torch.cat([part.inputs.flatten(1) for part in (splits.clients, splits.test, splits.auxiliary)])
    whole = everything(name).inputs.flatten(1)
    assert torch.equal(together.sum(1, dtype=torch.float64).sort()[0], whole.sum(1, dtype=torch.float64).sort()[0])
    for part, share in ((splits.clients, 0.6), (splits.test, 0.2), (splits.auxiliary, 0.2)):
        assert abs(len(part) / len(whole) - share) < 0.02
        assert part.labels.unique().tolist() == list(range(sources[name].classes))


def test_labels_stay_with_their_images() -> None:
    whole = everything("digits")
    label_of = {image.numpy().tobytes(): int(label) for image, label in zip(whole.inputs, whole.labels, strict=True)}
    clients = load("digits-mlp").clients
    found = [label_of[image.numpy().tobytes()] for image in clients.inputs]
    assert found == clients.labels.tolist()


def test_the_split_is_that_of_the_source_and_read_once() -> None:
    assert load("digits-mlp") is load("digits-lenet")


def test_the_split_never_changes() -> None:
    assert load("digits-mlp").clients.labels[:12].tolist() == [5, 5, 7, 7, 0, 0, 4, 7, 3, 0, 8, 0]


def test_no_photo_tile_is_flat_whatever_its_color() -> None:
    images = everything("photos").inputs.double()
    nearest_color = images.mean(dim=(2, 3), keepdim=True)
    assert ((images - nearest_color) ** 2).mean(dim=(1, 2, 3)).min().sqrt() >= FLAT - 1e-6


def test_a_colored_wall_has_no_contrast_and_a_gray_edge_has_half() -> None:
    wall = np.zeros((3, 4, 4), dtype=np.uint8)
    wall[0] = 255
    edge = np.zeros((3, 4, 4), dtype=np.uint8)
    edge[:, :, 2:] = 255
    assert contrast(np.stack([wall, edge])).tolist() == [0.0, 0.5]


def test_a_photo_tile_is_where_it_says_in_its_photo() -> None:
    tiles = all_tiles(32)
    for number in range(0, len(tiles.labels), 97):
        upper, left = tiles.corners[number]
        there = pixels(PHOTOS[tiles.labels[number]])[upper : upper + 32, left : left + 32]
        assert np.array_equal(tiles.pixels[number], there.transpose(2, 0, 1))


@pytest.mark.parametrize("label", range(len(PHOTOS)))
def test_no_photo_tile_is_within_a_tile_of_another_parts(label: int) -> None:
    tiles = all_tiles(32)
    corners, parts = tiles.corners[tiles.labels == label], tiles.parts[tiles.labels == label]
    apart = np.abs(corners[:, None] - corners[None]).max(axis=-1)
    assert apart[parts[:, None] != parts[None]].min() >= 2 * 32
    assert apart[~np.eye(len(corners), dtype=bool)].min() >= 32


def test_photos_are_split_as_their_loader_says() -> None:
    whole, parts = everything("photos"), loaders.build("photos", {}).parts(sources["photos"])
    assert parts is not None
    part_of = {image.numpy().tobytes(): int(part) for image, part in zip(whole.inputs, parts, strict=True)}
    assert len(part_of) == len(whole)
    splits = load("photos-lenet")
    for part, examples in zip(Part, (splits.clients, splits.test, splits.auxiliary), strict=True):
        assert {part_of[image.numpy().tobytes()] for image in examples.inputs} == {part}


def test_bands_are_a_fifth_three_and_one_with_a_column_of_nobody_between() -> None:
    assert bands(np.full(10, 7)).tolist() == [1, -1, 0, 0, 0, 0, 0, -1, 2, 2]


@pytest.mark.slow
def test_photos_are_split_the_same_in_every_process() -> None:
    code = (
        "import hashlib; from fedleak.data.splits import load; s = load('photos-lenet')\n"
        "for part in (s.clients, s.test, s.auxiliary): print(hashlib.sha256(part.inputs.numpy().tobytes()).hexdigest())"
    )
    splits = load("photos-lenet")
    here = [
        hashlib.sha256(part.inputs.numpy().tobytes()).hexdigest()
        for part in (splits.clients, splits.test, splits.auxiliary)
    ]
    root = Path(__file__).resolve().parents[3]
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert elsewhere.stdout.split() == here


@pytest.mark.parametrize("parts", [[0, 1, 2, 0], [0, 0, 1, 1, 1], [0, 1, 2, 3, 0]])
def test_a_loader_that_does_not_say_who_holds_what_is_refused(
    parts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sources, "parted", Source("parted", (1, 8, 8), 10, "parted"))
    five = Batch(torch.zeros(5, 1, 8, 8), torch.arange(5))
    monkeypatch.setattr(loaders.get("digits"), "read", lambda self, source: five)
    monkeypatch.setattr(loaders.get("digits"), "parts", lambda self, source: torch.tensor(parts))
    monkeypatch.setitem(loaders._classes, "parted", loaders.get("digits"))
    with pytest.raises(DataError, match=r"parted: expected one of the parts \[0, 1, 2\] for each of 5 examples"):
        load("parted-mlp")


def test_every_photo_has_its_maker_and_license() -> None:
    assert len({photo.file for photo in PHOTOS}) == sources["photos"].classes
    assert all(photo.author and photo.license and photo.link.startswith("https://") for photo in PHOTOS)


def test_every_source_has_a_loader_and_every_loader_a_source() -> None:
    assert {cls.name for cls in loaders} == {
        *sources,
        *FILES,
        "image-folder",
        "torchvision",
        "huggingface",
        "own",
        "app",
    }


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    theirs, ours = load_digits(), everything("digits")
    assert torch.equal((ours.inputs * 16).squeeze(1), torch.from_numpy(theirs.images).float())
    assert torch.equal(ours.labels, torch.from_numpy(theirs.target))


@pytest.mark.parametrize(("package", "path"), [("mlxtend", "data/none.csv"), ("no_such_package", "x")])
def test_a_file_that_a_package_lacks_is_named(package: str, path: str) -> None:
    with pytest.raises(DataError, match=f"expected '{path}' inside the installed package '{package}'"):
        package_file(package, path)


@pytest.mark.parametrize(
    ("inputs", "labels", "sentence"),
    [
        (torch.zeros(3, 1, 8, 8), [0, 1, 2], "expected 5 examples or more to split, got 3"),
        (torch.zeros(5, 1, 8, 9), [0, 1, 2, 3, 4], r"expected 1x8x8 images, got \(1, 8, 9\)"),
        (torch.zeros(5, 1, 8, 8), [0, 1, 2, 3, 10], "expected labels from 0 to 9, got 0 to 10"),
        (torch.full((5, 1, 8, 8), 255.0), [0, 1, 2, 3, 4], r"expected values in \[0, 1\], got 255 to 255"),
        (torch.full((5, 1, 8, 8), torch.nan), [0, 1, 2, 3, 4], r"expected values in \[0, 1\], got nan"),
    ],
)
def test_a_loader_that_breaks_its_promise_is_refused(
    inputs: torch.Tensor, labels: list[int], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source("odd", (1, 8, 8), 10, "odd")
    monkeypatch.setitem(sources, "odd", source)
    monkeypatch.setattr(loaders.get("digits"), "read", lambda self, source: Batch(inputs, torch.tensor(labels)))
    monkeypatch.setitem(loaders._classes, "odd", loaders.get("digits"))
    with pytest.raises(DataError, match=f"odd: {sentence}"):
        load("odd-mlp")


OUTSIDE = '''
from dataclasses import dataclass
import torch
from fedleak.learning.batch import Batch
from fedleak.data.loader import Loader, loaders
from fedleak.contracts.source import register_source
from fedleak.learning.source import Source

register_source(Source("ramp", (1, 4, 4), 2, "gray ramps"))

@loaders.register("ramp")
@dataclass(frozen=True, kw_only=True)
class Ramp(Loader):
    """Gray ramps."""
    def read(self, source):
        return Batch(torch.linspace(0, 1, 160).reshape(10, 1, 4, 4), torch.arange(10) % 2)
'''


@pytest.mark.slow
def test_an_installed_package_can_bring_its_own_data(tmp_path: Path) -> None:
    facts = tmp_path / "ramps-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: ramps\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[fedleak.plugins]\nramps = ramps\n")
    (tmp_path / "ramps.py").write_text(OUTSIDE)
    root = Path(__file__).resolve().parents[3]
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(root)!r}]\n"
        "from fedleak.data.splits import load; print(load('ramp-mlp').clients.inputs.shape)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said.stdout == "torch.Size([6, 1, 4, 4])\n", said.stderr


def test_a_task_and_its_data_agree() -> None:
    task, examples = task_of("faces-lenet"), load("faces-lenet").test
    assert examples.inputs.shape[1:] == task.shape


def test_the_documentation_credits_every_photo() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "data.md").read_text()
    for number, photo in enumerate(PHOTOS):
        assert f"| {number} | [{photo.shows}]({photo.link}) | {photo.author} | {photo.license} |" in page


def test_the_documentation_says_how_many_photo_tiles_each_split_has() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "data.md").read_text()
    splits = load("photos-lenet")
    for name, part in (("clients", splits.clients), ("test", splits.test), ("public", splits.auxiliary)):
        counts = " | ".join(str(count) for count in part.labels.bincount().tolist())
        share = 100 * len(part) / OFFLINE["photos"]
        assert f"| {name} | {counts} | {len(part)} | {share:.0f}% |" in page
    assert f"| `photos` | {OFFLINE['photos']:,} |" in page


def copied(monkeypatch: pytest.MonkeyPatch, counts: list[int]) -> None:
    """A data set 'copied' of as many copies of each of its images, the classes in turn."""
    inputs = torch.cat([torch.full((count, 1, 8, 8), i / 1000) for i, count in enumerate(counts)])
    examples = Batch(inputs, torch.arange(len(inputs)) % 2)
    monkeypatch.setitem(sources, "copied", Source("copied", (1, 8, 8), 2, f"copies {counts}"))
    monkeypatch.setattr(loaders.get("digits"), "read", lambda self, source: examples)
    monkeypatch.setitem(loaders._classes, "copied", loaders.get("digits"))


@pytest.mark.parametrize(
    "counts", [[1] * 100, [2] * 50, [60] + [1] * 40, [1] * 40 + [3] * 20, [20] * 5, [*range(1, 30)], [7, 5, 30] * 5]
)
def test_copies_are_in_one_part_and_the_parts_as_large_as_ever(
    counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(monkeypatch, counts)
    splits, total = load("copied-mlp"), sum(counts)
    parts = (splits.clients, splits.test, splits.auxiliary)
    assert sum(len(part.inputs.unique(dim=0)) for part in parts) == len(counts)
    for part, share in zip(parts, (0.6, 0.2, 0.2), strict=True):
        assert abs(len(part) / total - share) < 0.04


@pytest.mark.parametrize("counts", [[96, 1, 1, 1, 1], [78, 19, 1, 1, 1], [2, 2, 2, 2, 1], [1, 1, 1, 1, 50, 50]])
def test_no_part_is_empty_however_often_an_image_is_copied(counts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    copied(monkeypatch, counts)
    splits = load("copied-mlp")
    assert min(len(splits.clients), len(splits.test), len(splits.auxiliary)) > 0


def test_too_few_different_images_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    copied(monkeypatch, [40, 30, 20, 10])
    with pytest.raises(DataError, match="copied: expected 5 different examples or more, got 4"):
        load("copied-mlp")

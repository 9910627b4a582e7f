"""CIFAR and Fashion-MNIST from tiny files in their own formats; no test touches the network."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets
import torchvision.datasets.cifar

from fedleak.contracts.source import sources
from fedleak.data import torchvision_sets
from fedleak.data.loader import loaders
from fedleak.data.splits import load
from fedleak.errors import DataError
from fedleak.learning.batch import Batch


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEDLEAK_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(torchvision_sets, "DEBIAN_FASHION_MNIST", tmp_path / "debian")

    def offline(self: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torchvision.datasets.CIFAR10, "download", offline)
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "download", offline)
    return tmp_path / "data"


def read(name: str) -> Batch:
    return loaders.build(name, {}).read(sources[name])


def images_of(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(("name", "labels"), [("cifar10", "labels"), ("cifar100", "fine_labels")])
def test_cifar_is_its_training_images_then_its_test_images(
    name: str, labels: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda path, md5=None: Path(path).is_file())
    cls = torchvision.datasets.CIFAR10 if name == "cifar10" else torchvision.datasets.CIFAR100
    (root / cls.base_folder).mkdir(parents=True)
    pixels = []
    for seed, (file, _) in enumerate([*cls.train_list, *cls.test_list]):
        pixels.append(images_of(seed, 2, 3072))
        content = {"data": pixels[-1], labels: [seed, seed + 1]}
        (root / cls.base_folder / file).write_bytes(pickle.dumps(content))
    meta = {cls.meta["key"]: ["a"]}
    (root / cls.base_folder / cls.meta["filename"]).write_bytes(pickle.dumps(meta))

    examples = read(name)
    expected = torch.from_numpy(np.concatenate(pixels)).reshape(-1, 3, 32, 32).float() / 255
    assert torch.equal(examples.inputs, expected)
    assert examples.labels.tolist() == [seed + i for seed in range(len(pixels)) for i in (0, 1)]


def write_debian(folder: Path) -> np.ndarray:
    folder.mkdir()
    train, test = images_of(0, 6, 28, 28), images_of(1, 4, 28, 28)
    for part, images in [("train", train), ("t10k", test)]:
        labels = bytes(range(len(images)))
        header = struct.pack(">4i", 2051, *images.shape)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.tobytes()))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(struct.pack(">2i", 2049, len(labels)) + labels)
        )
    return np.concatenate([train, test])


def test_fashion_mnist_is_unpacked_from_the_debian_package(root: Path, tmp_path: Path) -> None:
    images = write_debian(tmp_path / "debian")
    examples = read("fashion-mnist")
    assert torch.equal((examples.inputs * 255).round().squeeze(1), torch.from_numpy(images).float())
    assert examples.labels.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3]
    assert len(list((root / "FashionMNIST" / "raw").iterdir())) == 4


def test_unpacked_files_are_kept(root: Path, tmp_path: Path) -> None:
    write_debian(tmp_path / "debian")
    read("fashion-mnist")
    for file in (tmp_path / "debian").iterdir():
        file.unlink()
    assert len(read("fashion-mnist")) == 10


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cifar10", ["cifar-10-batches-py", "cifar-10-python.tar.gz", "FEDLEAK_DATA"]),
        ("cifar100", ["cifar-100-python", "cifar-100-python.tar.gz", "FEDLEAK_DATA"]),
        ("fashion-mnist", ["FashionMNIST/raw", "dataset-fashion-mnist", "FEDLEAK_DATA"]),
    ],
)
def test_absent_files_give_one_sentence(
    name: str, words: list[str], root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError) as caught:
        load(f"{name}-lenet")
    sentence = str(caught.value)
    assert sentence.startswith(f"{name}: expected whole files in {root}")
    assert "no network" in sentence
    assert all(word in sentence for word in words)
    assert "\n" not in sentence
    assert capfd.readouterr().out == ""


def test_damaged_files_are_refused(root: Path, tmp_path: Path) -> None:
    write_debian(tmp_path / "debian")
    read("fashion-mnist")
    (root / "FashionMNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(DataError, match="fashion-mnist: expected whole files"):
        read("fashion-mnist")


def test_a_damaged_package_is_named(tmp_path: Path) -> None:
    write_debian(tmp_path / "debian")
    packed = tmp_path / "debian" / "train-images-idx3-ubyte.gz"
    packed.write_bytes(packed.read_bytes()[:50])
    with pytest.raises(DataError, match=r"cannot unpack .*train-images-idx3-ubyte\.gz"):
        read("fashion-mnist")


def test_a_folder_that_cannot_be_written_is_named(root: Path, tmp_path: Path) -> None:
    write_debian(tmp_path / "debian")
    root.write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"cannot unpack .* into .*; set FEDLEAK_DATA"):
        read("fashion-mnist")

"""Laws of files of claims: each mistake is one sentence with its place."""

from pathlib import Path

import pytest

from fedleak.claims.file import claims_of
from fedleak.errors import ConfigError, FedleakError

SOUND = '[[claims]]\nuse = "LocalDpMod"\nclipping_norm = 1\nsensitivity = 2.0\nepsilon = 0.5\ndelta = 1e-5\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "claims.toml"
    path.write_text(text)
    return path


def test_each_claim_is_answered_with_its_place(tmp_path: Path) -> None:
    found = claims_of(written(tmp_path, SOUND + SOUND), {"rounds": 7})
    assert [(one.where, one.rounds) for one in found] == [("claims.0", 7), ("claims.1", 7)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected .*claims.*got none"),
        ("x = 1", "got 'x'"),
        ("claims = 3", "expected .*claims"),
        ("claims = [3]", "claims.0: .*got no table"),
        ('[[claims]]\nuse = "LocalDP"', "did you mean 'LocalDpMod'"),
        (SOUND.replace("delta = 1e-5", ""), "means nothing without delta"),
        (SOUND.replace("norm = 1", "norm = 0"), "claims.0.clipping_norm: expected greater than 0, got 0"),
        (SOUND + "sensitvity = 1", "unknown field.*did you mean 'sensitivity'"),
        ("[[claims", "not valid TOML"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FedleakError, match=words):
        claims_of(written(tmp_path, text), {})


def test_fields_of_an_experiment_are_not_set_from_outside(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="change it there"):
        claims_of(written(tmp_path, 'task = "digits-mlp"'), {"rounds": 3})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FedleakError, match="cannot read"):
        claims_of(tmp_path / "none.toml", {})

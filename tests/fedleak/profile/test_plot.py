"""A profile is drawn, with and without the truth."""

from dataclasses import replace
from pathlib import Path

import pytest

from fedleak.defenses.gaussian_noise import GaussianNoise
from fedleak.profile.plot import draw
from fedleak.profile.profile import profile


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mlp", "conv", "batch-norm"])
def test_it_is_a_png(make_subject, tmp_path: Path, kind):
    subject = make_subject(kind, 9, defense=[GaussianNoise(std=0.01)] if kind == "mlp" else [])
    path = draw(profile(subject), subject.truth, tmp_path / "profile.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_without_the_truth_the_layers_are_left(make_subject, tmp_path: Path):
    subject = make_subject("mlp", 2, truth=False)
    assert draw(profile(subject), None, tmp_path / "profile.png").exists()


@pytest.mark.slow
def test_an_update_of_nothing_has_no_energy_to_draw(make_subject, tmp_path: Path):
    subject = make_subject("mlp", 2)
    still = {name: value * 0 for name, value in subject.observation.update.tensors.items()}
    zero = replace(subject.observation, update=replace(subject.observation.update, tensors=still))
    assert draw(profile(replace(subject, observation=zero)), subject.truth, tmp_path / "zero.png").exists()

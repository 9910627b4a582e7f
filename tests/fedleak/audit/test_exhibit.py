"""Exhibits: what was drawn can be read again, each guess below the example that it is nearest to."""

import stat
from pathlib import Path

import torch
from torch import nn

from fedleak.audit.exhibit import has_exhibit, read_exhibit, write_exhibit
from fedleak.audit.trials import Looked, Trial
from fedleak.captures import observe
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.score import Score


def test_pictures_are_read_again_nearest_first(tmp_path: Path) -> None:
    truth = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    made = observe(nn.Sequential(nn.Flatten(), nn.Linear(48, 3)), truth, [0, 1])

    def trial(name: str, psnr: float, inputs: torch.Tensor) -> Trial:
        score = Score(metric="psnr", value=psnr, per_sample=(psnr, psnr), unit="dB", higher_is_better=True)
        looked = Looked(rung="as it is", attack=name, psnr=psnr, examples=2)
        return Trial(looked=looked, guess=Reconstruction(inputs=inputs), scores=(score,))

    labels = Trial(looked=Looked(rung="as it is", attack="llg", examples=2), guess=Reconstruction())
    tried = [trial("far", 5.0, torch.zeros(2, 3, 4, 4)), labels, trial("near", 50.0, truth.flip(0))]
    assert not has_exhibit(tmp_path, "client-0")
    write_exhibit(made, tried, tmp_path, "client-0", "a note")
    tensors, captions = read_exhibit(tmp_path, "client-0")
    assert list(tensors) == ["truth", "near", "far"]
    assert torch.equal(tensors["near"], truth)
    assert captions == {"near": ["50.0 dB"] * 2, "far": ["5.0 dB"] * 2}
    assert (tmp_path / "client-0.png").exists()
    assert stat.S_IMODE((tmp_path / "exhibits" / "client-0.safetensors").stat().st_mode) == 0o600

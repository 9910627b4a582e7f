"""Trials: bounded in time, each failure a result, and down the ladder what came nearest."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from fedleak.audit.settings import AuditSettings
from fedleak.audit.trials import NEAREST, Looked, Trial, Trials
from fedleak.captures import Capture, observe
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.progress import report

WHOSE = Looked(rung="as it is", attack="", client=3, round=2, examples=1)


@pytest.fixture
def made() -> Capture:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.ReLU(), nn.Linear(8, 4))
    return observe(network, torch.rand(1, 3, 4, 4), [1])


def trials(tmp_path: Path, said: list | None = None, **more) -> Trials:
    settings = AuditSettings(
        folder=tmp_path, name="x", server="a:b", client="c:d", config={}, node_config={}, out=tmp_path
    )
    return Trials(replace(settings, **more), (said if said is not None else []).append)


def got(attack: str, psnr: float = math.nan, leaked: int = 0, broke: str = "") -> Trial:
    looked = replace(WHOSE, attack=attack, psnr=psnr, leaked=leaked, broke=broke)
    return Trial(looked=looked, guess=Reconstruction())


def test_a_trial_is_rows_that_rules_can_be_held_against(tmp_path: Path, made: Capture) -> None:
    said: list = []
    (one,) = trials(tmp_path, said).on(made, WHOSE, ["analytic-linear"])
    rows = {row.metric: row for row in one.rows("app", "LocalDpMod", 0)}
    assert set(rows) == {"mse", "psnr", "ssim", "label-recall"}
    assert rows["psnr"].value == one.looked.psnr > 60
    assert (rows["psnr"].client, rows["psnr"].round, rows["psnr"].defense) == (3, 2, "LocalDpMod")
    assert rows["psnr"].certified == (one.guess.certificate is not None)
    assert said == [{"event": "stage", "words": "as it is: analytic-linear (1 of 1)"}]


def test_an_attack_that_crashes_is_a_result_and_the_next_goes_on(
    tmp_path: Path, made: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_, **__):
        raise ZeroDivisionError("no")

    monkeypatch.setattr("fedleak.audit.trials.score", broken)
    first, second = trials(tmp_path).on(made, WHOSE, ["analytic-linear", "dlg"])
    assert (first.looked.broke, first.looked.reason) == ("crashed", "ZeroDivisionError: no")
    assert second.looked.broke == "crashed"
    assert all(math.isnan(row.value) and row.reason for row in first.rows("app", "none", 0))


def test_what_the_time_was_not_enough_for_is_said(
    tmp_path: Path, made: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(*_, **__):
        while True:
            report(1, 2)

    monkeypatch.setattr("fedleak.audit.trials.attack", endless)
    first, second = trials(tmp_path, minutes=0.005).on(made, WHOSE, ["dlg", "cpl"])
    assert first.looked.broke == "was cut off"
    assert "0.005 minutes were over; give it more by --minutes" in first.looked.reason
    assert second.looked.broke == "was not tried"


def test_down_the_ladder_go_the_nearest_and_those_that_found_no_way_in(tmp_path: Path) -> None:
    above = [
        got("dlg", 30.0, 1), got("grnn", 14.0), got("sapag", 12.0), got("cpl", 9.0), got("r-gap"), got("llg"),
        got("spear", broke="crashed"),
    ]  # fmt: skip
    chosen = trials(tmp_path).chosen
    assert NEAREST == 3
    assert chosen(above, 8) == ("dlg", "grnn", "r-gap", "sapag")
    assert {"dlg", "cpl", "spear"} <= set(chosen(above, 1))
    assert "llg" not in chosen(above, 1)
    assert "llg" in chosen((), 8)
    assert trials(tmp_path, attacks=("cpl",)).chosen(above, 8) == ("cpl",)
    assert len(trials(tmp_path, quick=True).chosen(above, 8)) == 5

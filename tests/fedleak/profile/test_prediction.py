"""Indicators joined with the rows of a run that was really run."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from fedleak.cli.prediction_table import best_lines, prediction_facts, prediction_tables
from fedleak.errors import ConfigError, RecordingError
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.grid import load_campaign
from fedleak.profile.indicators import INDICATORS
from fedleak.profile.prediction import Message, Point, Prediction, correlations_of, predict
from fedleak.profile.prediction_plot import draw_prediction
from fedleak.run import run
from fedleak.runs.reading import FinishedRun, read_run

EXPERIMENT = """
name = "a small run"
seed = 0
task = "digits-mlp"
metrics = ["psnr", "label-recall"]
[federation]
clients = 2
batch_size = [1, 8]
[[attacks]]
use = "analytic-linear"
[[attacks]]
use = "bias-sign"
[[defenses]]
name = "none"
[[defenses]]
name = "noisy"
chain = [{ use = "gaussian-noise", std = 1.0 }]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    folder = tmp_path_factory.mktemp("prediction")
    (folder / "experiment.toml").write_text(EXPERIMENT)
    campaign: Campaign = load_campaign(folder / "experiment.toml")
    run(campaign, folder / "run", jobs=1, engine="loopback")
    return read_run(folder / "run")


def points_of(count: int, tasks: int = 1) -> tuple[Point, ...]:
    return tuple(
        Point(
            attack="dlg", task=f"task {i % tasks}", setting=f"setting {i}", message=Message("", "none", 1, i),
            values={one.name: float(i) for one in INDICATORS}, gain=float(i),
        )
        for i in range(count)
    )  # fmt: skip


def prediction_of(points: tuple[Point, ...]) -> Prediction:
    return Prediction(
        metric="psnr", unit="dB", points=points, correlations=correlations_of(points),
        within=correlations_of(points, within_tasks=True), left_out=(),
    )  # fmt: skip


@pytest.mark.slow
def test_every_figure_of_an_attack_is_a_point_and_failures_are_counted_apart(finished: FinishedRun) -> None:
    found = predict(finished, "psnr")
    scored = [row for row in finished.rows if row.metric == "psnr" and not math.isnan(row.value)]
    assert len(found.points) == len(scored)
    assert found.attacks == ("analytic-linear",)
    assert any("by bias-sign" in line for line in found.left_out)
    assert sum(int(line.split()[0]) for line in found.left_out) + len(found.points) == 2 * 2 * 2 * 2


@pytest.mark.slow
def test_what_an_indicator_says_is_what_it_is(finished: FinishedRun) -> None:
    found = predict(finished, "label-recall")
    noisy = [point for point in found.points if point.message.defense == "noisy"]
    plain = [point for point in found.points if point.message.defense == "none"]
    assert {point.values["examples"] for point in found.points} == {1.0, 8.0}
    assert max(point.values["carried"] for point in noisy) < min(point.values["carried"] for point in plain)
    assert max(point.values["fisher bound"] for point in noisy) < min(point.values["fisher bound"] for point in plain)


@pytest.mark.slow
def test_an_unknown_metric_is_refused(finished: FinishedRun) -> None:
    with pytest.raises(ConfigError, match="no figures by 'pnsr'; did you mean 'psnr'"):
        predict(finished, "pnsr")


@pytest.mark.slow
@pytest.mark.slow
def test_a_run_that_attacked_models_alone_is_refused(finished: FinishedRun) -> None:
    rows = tuple(replace(row, client="model", metric="exposure") for row in finished.rows)
    with pytest.raises(
        ConfigError, match=r"^a profile is of updates, and the attacks of this run looked at models alone$"
    ):
        predict(replace(finished, rows=rows), "psnr")


def test_a_run_without_recordings_says_so(finished: FinishedRun, tmp_path: Path) -> None:
    recordings = finished.folder.root / "recordings"
    recordings.rename(tmp_path / "elsewhere")
    try:
        with pytest.raises(RecordingError, match="no message can be profiled"):
            predict(finished, "psnr")
    finally:
        (tmp_path / "elsewhere").rename(recordings)


@pytest.mark.slow
def test_the_tables_fit_a_terminal_and_the_picture_is_drawn(finished: FinishedRun, tmp_path: Path) -> None:
    found = predict(finished, "psnr")
    assert len(prediction_tables(found, 80)) == 1
    assert draw_prediction(found, "a run", tmp_path / "scatter.png").read_bytes().startswith(b"\x89PNG")


def test_too_few_points_are_called_that() -> None:
    lines = list(best_lines(prediction_of(points_of(3))))
    assert lines[0] == "dlg: no indicator foretells it beyond chance (too few: 3 messages)"


def test_a_perfect_indicator_is_found_and_one_with_the_wrong_sign_is_named_so() -> None:
    found = prediction_of(points_of(8))
    assert found.correlation(INDICATORS[0], "dlg").value == pytest.approx(1.0)
    assert "against what one would expect" in next(best_lines(found))


def test_nothing_to_hold_against_is_said() -> None:
    lines = list(best_lines(prediction_of(())))
    assert lines == ["no attack of this run has a figure by psnr: nothing to hold the indicators against"]


def test_facts_hold_every_point_and_correlation() -> None:
    facts = prediction_facts(prediction_of(points_of(6, tasks=2)))
    assert len(facts["points"]) == 6
    first = facts["correlations"][0]
    assert (first["indicator"], first["expected"], first["units"]) == ("examples", -1, 6)
    assert first["within_tasks"]["rho"] == pytest.approx(1.0)

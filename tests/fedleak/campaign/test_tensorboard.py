"""TensorBoard events of a cell, read back by TensorBoard's own readers."""

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from fedleak.campaign import tensorboard
from fedleak.campaign.cell import Cell
from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction, TracePoint
from fedleak.errors import OutputError
from fedleak.evaluation.message import Message
from fedleak.evaluation.scoring import score
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator
from fedleak.results.row import Place
from fedleak.runs.cell_file import Saved
from fedleak.runs.folder import RunFolder
from fedleak.settings.adversary import AdversarySettings
from fedleak.vault.batches import PrivateBatch, deposit

TRUTH = Batch(torch.rand(3, 1, 8, 8, generator=generator("truth")), torch.tensor([1, 2, 3]))
GUESS = Reconstruction(
    inputs=TRUTH.inputs[[2, 0, 1]],
    labels=TRUTH.labels,
    trace=(TracePoint(0, 1.0), TracePoint(10, 0.5), TracePoint(20, math.inf)),
)
BLIND = Reconstruction(inputs=torch.full((3, 1, 8, 8), 0.5))
TABLE = {"use": "best-of", "restarts": 2, "attack": {"use": "dlg", "steps": 30, "flags": [1, 2], "soft": True}}


def cell_in(root: Path, **place: Any) -> Cell:
    where = Place(
        **{
            "task": "digits-mlp",
            "setting": {"federation.batch_size": 3, "vary": "small"},
            "algorithm": "best-of",
            "attack": "best-of",
            "defense": "none",
            "client": 1,
            "round": 2,
            "seed": 7,
            **place,
        }
    )
    known = AdversarySettings(auxiliary=9)
    return Cell(root=root, point=0, place=where, table=TABLE, metrics=("psnr", "ssim"), adversary=known, address="x")


def saved_of(cell: Cell, guess: Reconstruction = GUESS) -> Saved:
    chosen = tuple(metrics.build(name, {}) for name in cell.metrics)
    rows = tuple(cell.place.row(s, seconds=0.1, samples=3) for s in score(guess, TRUTH, chosen, BLIND, [BLIND]))
    return Saved(rows=rows, address=cell.address, guess=guess, quality=((0, 10.0), (10, 12.0)))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run whose vault has one client's truth."""
    made = RunFolder(tmp_path / "run")
    facts = LocalTraining(batch_size=3, learning_rate=0.25)
    truth = PrivateBatch(examples=TRUTH, training=facts, seed_key=(1,), client=1, round=2)
    deposit(made.vault("none"), truth)
    return made


def write(cell: Cell, saved: Saved) -> None:
    tensorboard.write(cell, Message.of(cell.folder, cell.place), saved)


def events(folder: RunFolder, cell: Cell) -> EventAccumulator:
    return EventAccumulator(str(folder.events(cell.place))).Reload()


def test_scores_stand_beside_both_blind_guesses(folder: RunFolder) -> None:
    cell = cell_in(folder.root)
    saved = saved_of(cell)
    write(cell, saved)
    told = events(folder, cell)
    for row in saved.rows:
        for tag, value in (("score", row.value), ("prior", row.baseline), ("no access", row.no_access)):
            assert told.Scalars(f"{tag}/{row.metric}")[0].value == pytest.approx(value, rel=1e-6)


def test_the_attack_is_a_curve_without_what_is_not_finite(folder: RunFolder) -> None:
    cell = cell_in(folder.root)
    write(cell, saved_of(cell))
    told = events(folder, cell)
    assert [(point.step, point.value) for point in told.Scalars("attack/own loss")] == [(0, 1.0), (10, 0.5)]
    assert [(point.step, point.value) for point in told.Scalars("attack/psnr")] == [(0, 10.0), (10, 12.0)]


def test_the_guess_is_shown_in_the_order_of_the_truth(folder: RunFolder) -> None:
    cell = cell_in(folder.root)
    write(cell, saved_of(cell))
    told = events(folder, cell)
    truth, guess = (told.Images(tag)[0].encoded_image_string for tag in ("truth", "guess"))
    assert truth == guess
    pixels = np.asarray(Image.open(io.BytesIO(truth)), dtype=np.float64) / 255
    assert pixels.shape == (8, 24)
    assert np.abs(pixels[:, 8:16] - TRUTH.inputs[1, 0].numpy()).max() <= 0.5 / 255 + 1e-6


def test_a_cell_is_a_row_of_the_hparams_tab(folder: RunFolder) -> None:
    cell = cell_in(folder.root)
    write(cell, saved_of(cell))
    content = events(folder, cell).summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    told = {key: getattr(value, value.WhichOneof("kind")) for key, value in start.hparams.items()}
    assert told == {
        "task": "digits-mlp",
        "defense": "none",
        "attack": "best-of",
        "client": "1",
        "round": 2,
        "seed": 7,
        "split": "test",
        "vary": "small",
        "adversary.auxiliary": 9,
        "federation.batch_size": 3,
        "federation.batches": 1,
        "federation.epochs": 1,
        "federation.learning_rate": 0.25,
        "federation.momentum": 0,
        "federation.weight_decay": 0,
        "federation.mode": "train",
        "attack.use": "best-of",
        "attack.restarts": 2,
        "attack.attack.use": "dlg",
        "attack.attack.steps": 30,
        "attack.attack.flags": "[1, 2]",
        "attack.attack.soft": True,
    }


def test_the_hparams_tab_compares_cells_that_have_different_options(folder: RunFolder) -> None:
    first = cell_in(folder.root)
    other = replace(cell_in(folder.root, attack="dlg", seed=8), table={"use": "dlg", "steps": 5})
    for cell in (first, other):
        write(cell, saved_of(cell))
    experiment, groups = hparams_tab(folder.tensorboard)
    assert {"attack.steps", "attack.restarts", "seed", "federation.learning_rate"} <= {
        info.name for info in experiment.hparam_infos
    }
    assert {"score/psnr", "score/ssim", "prior/psnr"} <= {info.name.tag for info in experiment.metric_infos}
    assert len(groups) == 2
    for group in groups:
        figures = {value.name.tag: value.value for value in group.sessions[0].metric_values}
        assert figures["score/psnr"] == 100


def hparams_tab(logdir: Path) -> tuple[Any, list[Any]]:
    """What the server behind the HPARAMS tab answers."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(logdir))
    multiplexer.Reload()
    context = backend_context.Context(TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(logdir))))
    request = RequestContext()
    contents = context.hparams_metadata(request, "")
    experiment = context.experiment_from_metadata(request, "", True, contents, [])
    columns = [api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos]
    asked = api_pb2.ListSessionGroupsRequest(
        col_params=columns,
        start_index=0,
        slice_size=10,
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE],
        include_metrics=True,
    )
    handler = list_session_groups.Handler(request, context, "", asked)
    return experiment, list(handler.run().session_groups)


def test_a_failed_attack_is_a_failed_session_without_figures(folder: RunFolder) -> None:
    cell = cell_in(folder.root)
    write(cell, saved_of(cell, Reconstruction.failed("it diverged")))
    told = events(folder, cell)
    content = told.summary_metadata[metadata.SESSION_END_INFO_TAG].plugin_data.content
    assert metadata.parse_session_end_info_plugin_data(content).status == 2  # STATUS_FAILURE
    assert "score/psnr" not in told.Tags()["scalars"]
    assert "prior/psnr" in told.Tags()["scalars"]


def test_without_the_truth_there_are_still_scores(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    cell = cell_in(folder.root)
    write(cell, saved_of(cell))
    told = events(folder, cell)
    assert told.Tags()["images"] == []
    assert "score/psnr" in told.Tags()["scalars"]


def test_written_again_it_is_there_once(folder: RunFolder) -> None:
    cell = cell_in(folder.root)
    for _ in range(2):
        write(cell, saved_of(cell))
    assert len(list(folder.events(cell.place).iterdir())) == 1
    assert len(events(folder, cell).Scalars("score/psnr")) == 1


def test_a_folder_that_cannot_be_written_is_said(folder: RunFolder) -> None:
    folder.tensorboard.parent.mkdir(parents=True, exist_ok=True)
    folder.tensorboard.write_text("in the way")
    cell = cell_in(folder.root)
    with pytest.raises(OutputError, match="cannot write"):
        write(cell, saved_of(cell))

"""TensorBoard event files: scalars, pictures and hyper-parameters, a whole file at once and without threads."""

import io
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.summary.writer.record_writer import RecordWriter
from torch import Tensor

from fedleak.io.atomic import write_atomically

Setting = bool | int | float | str
Values = dict[int, list[Summary.Value]]
"""What there is to say at each step."""


def scalar(tag: str, value: float) -> list[Summary.Value]:
    """A figure; nothing where it is not finite, which no curve can show."""
    return [Summary.Value(tag=tag, simple_value=value)] if math.isfinite(value) else []


def picture(tag: str, pictures: Sequence[Float[Tensor, "colors height width"]]) -> list[Summary.Value]:
    """Pictures in [0, 1], of one color or three, side by side in one PNG."""
    strip = torch.cat(list(pictures), dim=2)
    pixels = (strip * 255).round().byte().permute(1, 2, 0).numpy()
    image = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    encoded = Summary.Image(
        height=image.height,
        width=image.width,
        colorspace=len(image.getbands()),
        encoded_image_string=buffer.getvalue(),
    )
    return [Summary.Value(tag=tag, image=encoded)]


def session(settings: Mapping[str, Setting], *, failed: bool) -> list[Summary.Value]:
    """A row of the HPARAMS tab: the hyper-parameters; the scalars of the same file are its metrics.

    TensorBoard finds out which hyper-parameters there are from the rows of all files, so that files with different ones
    can be compared.
    """
    start = SessionStartInfo(start_time_secs=time.time())
    for key, value in settings.items():
        _fill(start, key, value)
    end = SessionEndInfo(status=Status.STATUS_FAILURE if failed else Status.STATUS_SUCCESS, end_time_secs=time.time())
    return [
        _hparams(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start)),
        _hparams(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end)),
    ]


def write_events(folder: Path, values: Values) -> Path:
    """Writes a new event file into a folder, whole; raises `OutputError` where it cannot be written."""
    now, buffer = time.time(), io.BytesIO()
    writer = RecordWriter(buffer)
    for event in _events(values, now):
        writer.write(event.SerializeToString())
    return write_atomically(folder / f"events.out.tfevents.{now:.6f}.fedleak", buffer.getvalue())


def _events(values: Values, now: float) -> Iterable[Event]:
    yield Event(wall_time=now, file_version="brain.Event:2")
    for step, said in values.items():
        yield Event(wall_time=now, step=step, summary=Summary(value=said))


def _fill(start: SessionStartInfo, key: str, value: Setting) -> None:
    if isinstance(value, bool):
        start.hparams[key].bool_value = value
    elif isinstance(value, str):
        start.hparams[key].string_value = value
    else:
        start.hparams[key].number_value = value


def _hparams(tag: str, content: HParamsPluginData) -> Summary.Value:
    return Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(content))
